/* Names and texts: one row each. */

#include "contrib/directory/meta.h"

#include <stdio.h>

bool meta_read(struct store *store, const char *name, char *ret_value, size_t size)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT value FROM meta WHERE name = $1", VALUE_TEXT(name));
    if (!store_next(&rows))
        return false;
    snprintf(ret_value, size, "%s", store_text(&rows, 0));
    return true;
}

void meta_write(struct store *store, const char *name, const char *value)
{
    store_run(store, "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2",
              VALUE_TEXT(name), VALUE_TEXT(value));
}
