/* Lists are read up to one item more than asked for: that one tells that there is a next page. What one request may
 * look at is bounded: a filter that few rows pass gives pages with few items, and a `next`. */

#include "contrib/directory/page.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_LIMIT_DEFAULT 100
#define ROWS_MIN 64                    /* of one query */
#define ROWS_MAX 5000                  /* that are looked at for one page: some hundredths of a second */
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

static size_t row_bytes(const struct store_rows *rows, unsigned texts)
{
    size_t sum = 0, size;

    for (int column = 0; texts >> column; column++) {
        if (!(texts >> column & 1))
            continue;
        store_bytes(rows, column, &size);
        sum += size;
    }
    return sum;
}

/* A page while it is filled, in as many queries as the filters that are asked of each row make it take. */
struct page {
    cJSON *items;
    char cursor[HASH_TEXT_BYTES]; /* the last key that was looked at; "": none */
    int64_t limit, count, seen;
    size_t bytes;
    bool more;
};

static void add_row(struct page *page, struct directory *directory, const struct page_view *view,
                    const struct store_rows *rows, const struct request *request)
{
    cJSON *item = view->make(directory, rows, request);

    if (item && (page->count == page->limit || page->bytes > PAGE_BYTES_MAX)) {
        page->more = true;
        cJSON_Delete(item);
        return;
    }
    snprintf(page->cursor, sizeof page->cursor, "%s", store_text(rows, 0));
    page->seen++;
    if (!item)
        return;
    cJSON_AddItemToArray(page->items, item);
    page->count++;
    page->bytes += row_bytes(rows, view->texts);
}

static void end_query(struct page_query *query, const struct page_view *view, const struct page *page, int64_t rows)
{
    char condition[32], *end;

    snprintf(condition, sizeof condition, "%s >", view->order);
    if (page->cursor[0])
        page_filter(query, condition,
                    view->key_kind == STORE_INTEGER ? VALUE_INTEGER(strtoll(page->cursor, NULL, 10))
                                                    : VALUE_TEXT(page->cursor));
    end = query->sql + strlen(query->sql);
    query->values[query->count++] = VALUE_INTEGER(rows);
    snprintf(end, sizeof query->sql - (size_t)(end - query->sql), " ORDER BY %s LIMIT $%zu", view->order, query->count);
}

/* false: there was nothing behind. */
static bool read_rows(struct page *page, struct directory *directory, const struct page_view *view,
                      const struct page_query *filters, const struct request *request)
{
    cleanup_rows struct store_rows rows;
    struct page_query query = *filters;
    int64_t wanted = page->limit - page->count + 1, found = 0;

    if (wanted < ROWS_MIN)
        wanted = ROWS_MIN;
    end_query(&query, view, page, wanted);
    store_select_values(directory->reader, &rows, query.sql, query.values, query.count);
    for (; !page->more && store_next(&rows); found++)
        add_row(page, directory, view, &rows, request);
    return found == wanted;
}

/* What a view shows changes at any time: a cache may keep it, and has to ask each time whether it still holds. */
static void finish(struct directory *directory, struct request *request)
{
    directory_finish_read(directory, request);
    if (request->status != 200)
        return;
    request->cache_control = "no-cache";
    request->tagged = true;
    directory_gzip(directory, request);
}

void page_answer_list(struct directory *directory, struct request *request, const struct page_view *view,
                      struct page_query *query)
{
    const struct parameter_value *after = &request->values[PAGE_AFTER];
    const struct parameter_value *limit = &request->values[PAGE_LIMIT];
    cJSON *answer = cJSON_CreateObject();
    struct page page = { .items = cJSON_AddArrayToObject(answer, "items"),
                         .limit = limit->given ? limit->integer : PAGE_LIMIT_DEFAULT };

    snprintf(page.cursor, sizeof page.cursor, "%s", after->given ? after->text : "");
    bool there_is_more = true;
    while (there_is_more && !page.more && page.seen < ROWS_MAX)
        there_is_more = read_rows(&page, directory, view, query, request);
    if (there_is_more || page.more)
        cJSON_AddStringToObject(answer, "next", page.cursor);
    else
        cJSON_AddNullToObject(answer, "next");
    request_answer_json(request, 200, answer);
    finish(directory, request);
}

void page_begin(struct page_query *query, const struct page_view *view)
{
    query->count = 0;
    snprintf(query->sql, sizeof query->sql, "%s", view->select);
    if (view->asks_time)
        query->values[query->count++] = VALUE_INTEGER(directory_now());
}

void page_answer_one(struct directory *directory, struct request *request, const struct page_view *view, int64_t number)
{
    cleanup_rows struct store_rows rows;
    struct page_query query;

    page_begin(&query, view);
    page_filter(&query, view->key, number >= 0 ? VALUE_INTEGER(number) : VALUE_TEXT(request->argument));
    store_select_values(directory->reader, &rows, query.sql, query.values, query.count);
    if (store_next(&rows))
        request_answer_json(request, 200, view->make(directory, &rows, NULL));
    else
        request_problem(request, 404, "there is no %s %s", view->thing, request->argument);
    finish(directory, request);
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
