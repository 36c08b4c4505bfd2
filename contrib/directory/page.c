/* Lists are read up to one item more than asked for: that one tells that there is a next page. */

#include "contrib/directory/page.h"

#include <string.h>

#define PAGE_LIMIT_DEFAULT 100
#define PAGE_BYTES_MAX (1024UL * 1024) /* of what the rows hold: a node may have 60 KB of disks */

void page_filter(struct page_query *query, const char *condition, struct store_value value)
{
    size_t used = strlen(query->sql);

    query->values[query->count++] = value;
    snprintf(query->sql + used, sizeof query->sql - used, " AND %s $%zu", condition, query->count);
}

void page_filter_text(struct page_query *query, const char *condition, const struct parameter_value *value)
{
    if (value->given)
        page_filter(query, condition, VALUE_TEXT(value->text));
}

void page_filter_integer(struct page_query *query, const char *condition, const struct parameter_value *value)
{
    if (value->given)
        page_filter(query, condition, VALUE_INTEGER(value->integer));
}

static void run_query(struct store *store, const struct page_query *query, struct store_rows *ret_rows)
{
    store_select_values(store, ret_rows, query->sql, query->values, query->count);
}

static size_t row_bytes(const struct store_rows *rows, int columns)
{
    size_t sum = 0, size;

    for (int column = 0; column < columns; column++) {
        store_bytes(rows, column, &size);
        sum += size;
    }
    return sum;
}

static cJSON *make_page(struct directory *directory, const struct page_view *view, struct store_rows *rows,
                        const struct request *request, int64_t limit)
{
    cJSON *page = cJSON_CreateObject(), *items = cJSON_AddArrayToObject(page, "items");
    char cursor[HASH_TEXT_BYTES] = "";
    bool more = false;
    int64_t count = 0;
    size_t bytes = 0;

    while (!more && store_next(rows)) {
        cJSON *item = view->make(directory, rows, request);
        if (!item)
            continue;
        more = count++ == limit || bytes > PAGE_BYTES_MAX;
        if (more) {
            cJSON_Delete(item);
            break;
        }
        cJSON_AddItemToArray(items, item);
        snprintf(cursor, sizeof cursor, "%s", store_text(rows, 0));
        bytes += row_bytes(rows, view->columns);
    }
    if (more)
        cJSON_AddStringToObject(page, "next", cursor);
    else
        cJSON_AddNullToObject(page, "next");
    return page;
}

void page_answer_list(struct directory *directory, struct request *request, const struct page_view *view,
                      struct page_query *query)
{
    cleanup_rows struct store_rows rows;
    const struct parameter_value *after = &request->values[PAGE_AFTER];
    int64_t limit = request->values[PAGE_LIMIT].given ? request->values[PAGE_LIMIT].integer : PAGE_LIMIT_DEFAULT;
    char condition[32];
    size_t used;

    snprintf(condition, sizeof condition, "%s >", view->order);
    if (after->given)
        page_filter(query, condition,
                    view->key_kind == STORE_INTEGER ? VALUE_INTEGER(after->integer) : VALUE_TEXT(after->text));
    used = strlen(query->sql);
    snprintf(query->sql + used, sizeof query->sql - used, " ORDER BY %s", view->order);
    run_query(directory->reader, query, &rows);
    request_answer_json(request, 200, make_page(directory, view, &rows, request, limit));
    directory_finish_read(directory, request);
}

void page_begin(struct page_query *query, const struct page_view *view)
{
    query->count = 0;
    snprintf(query->sql, sizeof query->sql, "%s", view->select);
}

void page_answer_one(struct directory *directory, struct request *request, const struct page_view *view, int64_t number)
{
    cleanup_rows struct store_rows rows;
    struct page_query query;

    page_begin(&query, view);
    page_filter(&query, view->key, number >= 0 ? VALUE_INTEGER(number) : VALUE_TEXT(request->argument));
    run_query(directory->reader, &query, &rows);
    if (store_next(&rows))
        request_answer_json(request, 200, view->make(directory, &rows, NULL));
    else
        request_problem(request, 404, "there is no %s %s", view->thing, request->argument);
    directory_finish_read(directory, request);
}

void page_add_resources(cJSON *item, const char *name, struct resources resources)
{
    cJSON_AddItemToObject(item, name, resources_to_json(resources));
}

struct resources page_read_resources(const struct store_rows *rows, int column)
{
    return (struct resources){ store_integer(rows, column), store_integer(rows, column + 1),
                               store_integer(rows, column + 2), store_integer(rows, column + 3) };
}
