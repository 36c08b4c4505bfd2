#pragma once

/* What storaged knows: one entry a disk, with its pool once that is open. It lives on the loop's thread alone. */

#include "lib/daemon.h"
#include "storaged/plan.h"
#include "storaged/pool.h"

struct state_entry {
    struct plan_disk known;
    char reason[PLAN_REASON_BYTES]; /* of a refused one */
    struct pool pool;               /* open while known.stage is PLAN_USED */
    uint64_t since_ms;              /* when it was first seen */
    bool busy;                      /* a job is at work on it: the entry stays until that ends */
    bool gone;                      /* it vanished meanwhile */
    bool look_again;                /* it changed meanwhile */
    bool failed;                    /* refused because a step failed: that is tried again, after retry_wait ticks */
    unsigned retry_wait, retry_next;
};

struct state {
    struct daemon daemon;
    const char *root;
    struct plan_wanted wanted;
    struct state_entry entries[DISKS_MAX]; /* sorted by name */
    size_t count;
    bool cache_mounted, cache_working, cache_failed;
    bool settled;
    uint64_t begin_ms;
    uv_timer_t tick;
    uv_poll_t events; /* storaged/uevent.h */
    uv_timer_t events_pause;
};

/* The entry of a disk; with `sequence`, of just that one. NULL when there is none. */
struct state_entry *state_find(struct state *state, const char *name);
struct state_entry *state_find_exact(struct state *state, const struct disk *disk);

/* Adds an entry for a disk that has none, in its place. NULL, with a warning, when there are DISKS_MAX. Entries move:
 * pointers to others are void. */
struct state_entry *state_add(struct state *state, const struct disk *disk, uint64_t now_ms);
/* Takes an entry away and closes its pool, if any. Entries move. */
void state_remove(struct state *state, struct state_entry *entry);

/* A volume by name, and the entry of its pool; NULL when there is none. */
struct volume *state_find_volume(struct state *state, const char *name, struct state_entry **ret_entry);

/* What is left of a pool's capacity for new volumes. */
int64_t state_pool_left(const struct pool *pool);
/* The sum of the capacities of the pools of a kind. */
int64_t state_capacity(const struct state *state, enum disk_media media);

/* The two steps of volume.create and volume.delete. `media`'s pool with the most room left gets it. 0 and the volume,
 * REFUSED with the reason, or negative errno, logged. Another call with the same size changes nothing. */
int state_make_volume(struct state *state, const char *name, int64_t size_bytes, enum disk_media media,
                      struct volume **ret_volume, struct state_entry **ret_entry, struct reason *reason);
int state_delete_volume(struct state *state, const char *name);
