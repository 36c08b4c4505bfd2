#pragma once

/* A log read over HTTP by c2sp.org/tlog-tiles: any directoryd, mirror, or plain copy of the files. Blocking, for a
 * thread of its own. What comes is believed for nothing; the caller holds it against a checkpoint. */

#include "contrib/directory/tile.h"
#include "contrib/directory/tlog.h"

#define REMOTE_URL_BYTES 1024

struct remote_tile {
    struct tile tile;
    bool held;
    uint8_t hashes[TILE_WIDTH * MERKLE_HASH_BYTES];
};

struct remote {
    char url[REMOTE_URL_BYTES]; /* without a slash at the end */
    char *ca_pem;               /* or NULL */
    bool (*cancelled)(void *context);
    void *context;
    bool no_wait;                                 /* it doesn't know /v1/log/checkpoint */
    uint64_t size;                                /* of the tree whose hashes are read */
    struct remote_tile tiles[TILE_LEVEL_MAX + 1]; /* the last read of each level */
};

/* The log's checkpoint, its signature checked. Waits up to wait_s for one of more than `above` entries, if the other
 * side can; *ret_waited: whether it could. 0 (tlog_head_close), REFUSED (no answer, or not a checkpoint of this log),
 * -ENOMEM. */
int remote_checkpoint(struct remote *remote, const struct note_verifier *verifier, uint64_t above, unsigned wait_s,
                      struct tlog_head *ret_head, bool *ret_waited, struct reason *reason);

/* The bundle with entry `index`, as far as the tree of `size` has it; the caller's, free(). 0, REFUSED. */
int remote_bundle(struct remote *remote, uint64_t index, uint64_t size, uint8_t **ret_bytes, size_t *ret_size,
                  unsigned *ret_count, struct reason *reason);

/* The hashes of the tile `index` of a level, as far as the tree of `size` has it, which must be something; the
 * caller's, free(). 0 and what was asked for, or REFUSED. */
int remote_tile(struct remote *remote, int level, uint64_t index, uint64_t size, uint8_t **ret_bytes, size_t *ret_size,
                struct tile *ret_tile, struct reason *reason);

/* How the tree of `size` extends that of `from`, computed from tiles. 0, or REFUSED when they can't be had. */
int remote_prove_consistency(struct remote *remote, uint64_t from, uint64_t size, struct merkle_proof *ret_proof,
                             struct reason *reason);
/* The root of the first `from` entries, by the tiles of the tree of `size`. 0, or REFUSED when they can't be had. */
int remote_root(struct remote *remote, uint64_t from, uint64_t size, struct merkle_hash *ret_root,
                struct reason *reason);
/* Tiles that were read are read again: they didn't fit what was signed. */
void remote_forget(struct remote *remote);
