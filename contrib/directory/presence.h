#pragma once

/* Who was seen when: what heartbeats said, in memory, written to the store now and then (it isn't of the log). */

#include "contrib/directory/store.h"

#include "lib/statement.h"

struct seen {
    char node[ID_TEXT_BYTES];
    int64_t last_seen_s; /* the directory's time */
    int64_t created_s;   /* of the last heartbeat */
    struct resources used;
};

struct presence; /* used on the loop only */

/* Reads what the store has. 0 or negative errno. */
int presence_open(struct store *store, struct presence **ret_presence);
void presence_free(struct presence *presence);

/* NULL when the node was never seen. */
const struct seen *presence_find(const struct presence *presence, const char *node);

/* A node showed itself without a heartbeat: it registered. */
void presence_touch(struct presence *presence, const char *node, int64_t now_s);
/* Takes in a heartbeat of a registered node. 0; or 409 when it, or a newer one, was taken in already. */
int presence_beat(struct presence *presence, const struct statement *heartbeat, int64_t now_s, struct reason *reason);

/* Those that changed since the last call, an array to be freed; NULL when there is none. */
struct seen *presence_take_changed(struct presence *presence, size_t *ret_count);
/* Writes them, within a transaction. */
void presence_write(struct store *store, const struct seen *seen, size_t count);
