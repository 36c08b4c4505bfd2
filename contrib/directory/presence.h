#pragma once

/* Who was seen when: what heartbeats said. It isn't of the log. The table `presence` has it; what was said since it was
 * last written is here in memory, and only that, so that a grid of any size costs what it says in a few seconds. Where
 * several directoryds share a database each writes what it heard, and all read the table. */

#include "contrib/directory/store.h"

#include "lib/statement.h"

#define SEEN_NONCES 8      /* heartbeats of one second that are told apart */
#define SEEN_NONCE_BYTES 8 /* of each nonce, which has at least 16 random ones */
/* How far the clocks of several directoryds may be apart. Who was seen later than that from now was seen under another
 * time: the clock has gone back since, and what was noted then must neither keep a node up nor lock it out. */
#define SEEN_APART_S 5

struct seen {
    char node[ID_TEXT_BYTES];
    int64_t last_seen_s; /* the directory's time */
    int64_t created_s;   /* of the last heartbeat */
    struct resources used;
    uint8_t nonces[SEEN_NONCES][SEEN_NONCE_BYTES]; /* of the heartbeats of that second */
    unsigned nonces_count;
};

struct presence; /* used on the loop only */

struct presence *presence_new(void);
void presence_free(struct presence *presence);

/* What isn't in the table yet; NULL: the table is right. */
const struct seen *presence_recent(const struct presence *presence, const char *node);
/* From here or the table; false when it was never seen. Failures stick to the store. */
bool presence_find(const struct presence *presence, struct store *store, const char *node, struct seen *ret_seen);

/* Takes in a heartbeat of a registered node. 0; 409 when it, or a newer one, was taken in already; or 503. */
int presence_beat(struct presence *presence, struct store *store, const struct statement *heartbeat, int64_t now_s,
                  struct reason *reason);

/* How many are to be written. */
size_t presence_changed(const struct presence *presence);
/* Up to `max` of them, an array in the order of their ids; NULL when there is none. It ends with presence_written. */
struct seen *presence_take_changed(struct presence *presence, size_t max, size_t *ret_count);
/* Frees the array (or NULL): what is in the table is forgotten here; what isn't has to be written again. */
void presence_written(struct presence *presence, struct seen *seen, size_t count, bool in_table);

/* Within a transaction: writes them, where nothing newer (by what now_s makes of it) is there; and that a node showed
 * itself by registering. */
void presence_write(struct store *store, const struct seen *seen, size_t count, int64_t now_s);
void presence_touch(struct store *store, const char *node, int64_t now_s);
