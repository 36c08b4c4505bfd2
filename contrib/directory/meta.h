#pragma once

/* The table `meta`: what a store says of itself, a text by its name (README.md, «The store», has the names). */

#include "contrib/directory/store.h"

/* true and the text, NUL-terminated, cut to `size` bytes; false when there is none, or the session has failed
 * (store->error). */
bool meta_read(struct store *store, const char *name, char *ret_value, size_t size);

/* Writes or replaces it, within the caller's transaction. */
void meta_write(struct store *store, const char *name, const char *value);
