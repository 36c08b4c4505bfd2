#pragma once

/* The tables, and how those of older versions become the present ones: steps that are run in their order, each version
 * in one transaction. A step that was ever released is never changed; what is new is a new step. */

#include "contrib/directory/store.h"

#define SCHEMA_VERSION 3

/* Columns of the steps: struct store_backend says which it understands. */
enum { SCHEMA_SQLITE, SCHEMA_POSTGRESQL, SCHEMA_DIALECTS };

/* Runs the steps that the store hasn't seen yet (`may_change`), or says that they are missing. 0; REFUSED when the
 * store is newer than this program, or older and may not be changed; or negative errno, logged. */
int schema_bring_up(struct store *store, bool may_change, struct reason *reason);

/* A table and what makes a row of it unique; all tables but `meta`, those of the log first. */
struct schema_table {
    const char *name;
    const char *columns; /* all, the key's first, as a list for SELECT and INSERT */
    int column_count, key_count;
    bool is_view; /* what state_apply alone changes */
};

extern const struct schema_table SCHEMA_TABLES[];
extern const size_t SCHEMA_TABLES_COUNT;
