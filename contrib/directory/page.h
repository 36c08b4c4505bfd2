#pragma once

/* What all views have in common: a query with filters, its rows as items, in pages or one by one. */

#include "contrib/directory/directory.h"

#define PAGE_LIMIT_MAX 1000
#define PAGE_QUERY_FILTERS 16

struct page_view {
    const char *select; /* ends in WHERE true; column 0 is the cursor */
    unsigned texts;     /* bit n: column n is a text that may be long */
    const char *order;  /* name of column 0 */
    const char *key;    /* how one is asked for: "id = " */
    enum store_kind key_kind;
    const char *thing;
    /* The item, or NULL when the filters leave it out. `request` may be NULL: no filters. */
    cJSON *(*make)(struct directory *directory, const struct store_rows *rows, const struct request *request);
    bool asks_time; /* $1 is the present time */
};

struct page_query {
    char sql[3072];
    struct store_value values[PAGE_QUERY_FILTERS];
    size_t count;
};

/* The first two parameters of every list. */
#define PAGE_PARAMETERS(after_kind, after_max)                                                                         \
    { "limit", PARAMETER_INTEGER, 1, PAGE_LIMIT_MAX },                                                                 \
    {                                                                                                                  \
        "after", after_kind, 0, after_max                                                                              \
    }

enum { PAGE_LIMIT, PAGE_AFTER, PAGE_FILTERS };

void page_begin(struct page_query *query, const struct page_view *view);
/* Adds "AND <condition> <value>"; the latter two only when the parameter was given. */
void page_filter(struct page_query *query, const char *condition, struct store_value value);
void page_filter_text(struct page_query *query, const char *condition, const struct parameter_value *value);
void page_filter_integer(struct page_query *query, const char *condition, const struct parameter_value *value);

/* Answers {items[], next} by the request's `limit` and `after`; a page that grows large ends before its limit. */
void page_answer_list(struct directory *directory, struct request *request, const struct page_view *view,
                      struct page_query *query);
/* Answers the one item whose key is `number`, or, when that is negative, the request's argument; or 404. */
void page_answer_one(struct directory *directory, struct request *request, const struct page_view *view,
                     int64_t number);

void page_add_resources(cJSON *item, const char *name, struct resources resources);
/* Of four columns from `column` on. */
struct resources page_read_resources(const struct store_rows *rows, int column);
