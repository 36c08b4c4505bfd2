/* Both stores are read in pages, in the order of each table's key. */

#include "contrib/directory/compare.h"

#include "contrib/directory/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 500
#define KEYS_MAX 2
#define KEY_BYTES 128

/* A place in one table of one store. */
struct cursor {
    struct store *store;
    const struct schema_table *table;
    struct store_rows rows;
    unsigned in_page; /* rows that the page has given */
    bool began, over;
    char keys[KEYS_MAX][KEY_BYTES]; /* of the last row */
};

/* Keys that are numbers: a parameter must be of the column's type. */
static bool is_number(const char *column)
{
    return strcmp(column, "idx") == 0 || strcmp(column, "farm") == 0 || strcmp(column, "level") == 0 ||
           strcmp(column, "slot") == 0;
}

static void key_name(const struct schema_table *table, int key, char ret_name[static 32])
{
    const char *at = table->columns;

    for (; key > 0; key--)
        at += strcspn(at, ",") + 2;
    snprintf(ret_name, 32, "%.*s", (int)strcspn(at, ","), at);
}

static void read_page(struct cursor *cursor)
{
    const struct schema_table *table = cursor->table;
    struct store_value values[KEYS_MAX];
    char sql[1024], names[KEYS_MAX][32], order[80];

    for (int i = 0; i < table->key_count; i++) {
        key_name(table, i, names[i]);
        values[i] =
            is_number(names[i]) ? VALUE_INTEGER(strtoll(cursor->keys[i], NULL, 10)) : VALUE_TEXT(cursor->keys[i]);
    }
    if (table->key_count == 1)
        snprintf(order, sizeof order, "%s", names[0]);
    else
        snprintf(order, sizeof order, "%s, %s", names[0], names[1]);
    snprintf(sql, sizeof sql, "SELECT %s FROM %s%s%s%s%s ORDER BY %s LIMIT %d", table->columns, table->name,
             cursor->began ? " WHERE (" : "", cursor->began ? order : "", cursor->began ? ") > " : "",
             !cursor->began          ? ""
             : table->key_count == 1 ? "($1)"
                                     : "($1, $2)",
             order, PAGE);
    store_select_values(cursor->store, &cursor->rows, sql, values, cursor->began ? (size_t)table->key_count : 0);
    cursor->in_page = 0;
}

static void next(struct cursor *cursor)
{
    if (cursor->over)
        return;
    if (!cursor->began || cursor->in_page == PAGE) {
        store_done(&cursor->rows);
        read_page(cursor);
        cursor->began = true;
    }
    cursor->over = !store_next(&cursor->rows);
    cursor->in_page++;
    for (int i = 0; i < cursor->table->key_count && !cursor->over; i++) {
        char name[32];
        key_name(cursor->table, i, name);
        if (is_number(name))
            snprintf(cursor->keys[i], KEY_BYTES, "%" PRId64, store_integer(&cursor->rows, i));
        else
            snprintf(cursor->keys[i], KEY_BYTES, "%s", store_text(&cursor->rows, i));
    }
}

/* A back end may give numbers as bytes of its own: then they are compared as numbers. */
static bool is_number_text(const char *bytes, size_t size)
{
    size_t sign = size > 1 && bytes[0] == '-';

    for (size_t i = sign; i < size; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
    }
    return size > sign && size < 21;
}

static bool is_same_value(const struct store_rows *a, const struct store_rows *b, int column)
{
    size_t a_size, b_size;

    if (store_is_null(a, column) || store_is_null(b, column))
        return store_is_null(a, column) && store_is_null(b, column);
    const void *a_bytes = store_bytes(a, column, &a_size), *b_bytes = store_bytes(b, column, &b_size);
    if (a_size == b_size && (a_size == 0 || memcmp(a_bytes, b_bytes, a_size) == 0))
        return true;
    return a_size == sizeof(int64_t) && is_number_text(b_bytes, b_size) &&
           store_integer(a, column) == store_integer(b, column);
}

static int compare_row(const struct cursor *subject, const struct cursor *truth, struct reason *reason)
{
    const struct schema_table *table = truth->table;
    const char *key = truth->over ? subject->keys[0] : truth->keys[0];

    if (subject->over || (!truth->over && memcmp(subject->keys, truth->keys, sizeof truth->keys) != 0))
        return reason_refuse(reason, table->name, "row %s isn't as a replay of the log gives it, or isn't there", key);
    if (truth->over)
        return reason_refuse(reason, table->name, "row %s isn't in a replay of the log", key);
    for (int column = 0; column < table->column_count; column++) {
        if (!is_same_value(&subject->rows, &truth->rows, column))
            return reason_refuse(reason, table->name, "row %s: column %d of (%s) isn't what a replay of the log gives",
                                 key, column + 1, table->columns);
    }
    return 0;
}

static int compare_table(struct store *subject_store, struct store *truth_store, const struct schema_table *table,
                         struct reason *reason)
{
    struct cursor subject = { .store = subject_store, .table = table, .rows.store = subject_store };
    struct cursor truth = { .store = truth_store, .table = table, .rows.store = truth_store };
    int result = 0;

    do {
        next(&subject);
        next(&truth);
        if (!subject.over || !truth.over)
            result = compare_row(&subject, &truth, reason);
    } while (!result && !truth.over);
    store_done(&subject.rows);
    store_done(&truth.rows);
    if (subject_store->error < 0 || truth_store->error < 0)
        return subject_store->error < 0 ? subject_store->error : truth_store->error;
    return result;
}

int compare_stores(struct store *subject, struct store *truth, struct reason *reason)
{
    for (size_t i = 0; i < SCHEMA_TABLES_COUNT; i++) {
        const struct schema_table *table = &SCHEMA_TABLES[i];
        if (strcmp(table->name, "presence") == 0)
            continue;
        int result = compare_table(subject, truth, table, reason);
        if (result)
            return result;
    }
    return 0;
}
