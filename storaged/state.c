/* The table of disks and pools, and the volumes in it. */

#include "storaged/state.h"

#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct state_entry *state_find(struct state *state, const char *name)
{
    for (size_t i = 0; i < state->count; i++)
        if (!strcmp(state->entries[i].known.disk.name, name))
            return &state->entries[i];
    return NULL;
}

struct state_entry *state_find_exact(struct state *state, const struct disk *disk)
{
    struct state_entry *entry = state_find(state, disk->name);

    return entry && entry->known.disk.sequence == disk->sequence ? entry : NULL;
}

struct state_entry *state_add(struct state *state, const struct disk *disk, uint64_t now_ms)
{
    size_t at = 0;

    if (state->count == DISKS_MAX) {
        log_warning("disk %s is left out: there are more than %d", disk->name, DISKS_MAX);
        return NULL;
    }
    while (at < state->count && strcmp(state->entries[at].known.disk.name, disk->name) < 0)
        at++;
    memmove(&state->entries[at + 1], &state->entries[at], (state->count - at) * sizeof *state->entries);
    state->count++;
    state->entries[at] = (struct state_entry){
        .known = { .disk = *disk, .stage = PLAN_EXAMINING },
        .pool = { .top_fd = -1, .volumes_fd = -1 },
        .since_ms = now_ms,
    };
    return &state->entries[at];
}

void state_remove(struct state *state, struct state_entry *entry)
{
    size_t at = (size_t)(entry - state->entries);

    pool_close(&entry->pool);
    memmove(entry, entry + 1, (state->count - at - 1) * sizeof *entry);
    state->count--;
}

static struct volume *find_in(struct pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->volume_count; i++)
        if (!strcmp(pool->volumes[i].name, name))
            return &pool->volumes[i];
    return NULL;
}

struct volume *state_find_volume(struct state *state, const char *name, struct state_entry **ret_entry)
{
    for (size_t i = 0; i < state->count; i++) {
        struct state_entry *entry = &state->entries[i];
        struct volume *volume = entry->known.stage == PLAN_USED ? find_in(&entry->pool, name) : NULL;
        if (volume) {
            *ret_entry = entry;
            return volume;
        }
    }
    return NULL;
}

int64_t state_pool_left(const struct pool *pool)
{
    int64_t left = pool_capacity(pool->size_bytes);

    for (size_t i = 0; i < pool->volume_count && left > 0; i++)
        left -= pool->volumes[i].size_bytes < left ? pool->volumes[i].size_bytes : left;
    return left;
}

int64_t state_capacity(const struct state *state, enum disk_media media)
{
    int64_t sum = 0;

    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].known.stage == PLAN_USED && state->entries[i].pool.media == media)
            sum += pool_capacity(state->entries[i].pool.size_bytes);
    return sum;
}

/* The pool with the most room; NULL and the reason when none has enough. */
static struct state_entry *pick_pool(struct state *state, int64_t size_bytes, enum disk_media media,
                                     struct reason *reason)
{
    struct state_entry *best = NULL;
    int64_t left, best_left = -1;

    for (size_t i = 0; i < state->count; i++) {
        struct state_entry *entry = &state->entries[i];
        if (entry->known.stage != PLAN_USED || entry->pool.media != media)
            continue;
        left = state_pool_left(&entry->pool);
        if (left > best_left) {
            best = entry;
            best_left = left;
        }
    }
    if (!best)
        reason_refuse(reason, "media", "there is no %s on this node", disk_media_name(media));
    else if (best_left < size_bytes)
        reason_refuse(reason, "size_bytes", "must be at most %lld, what the emptiest %s has left", (long long)best_left,
                      disk_media_name(media));
    return best && best_left >= size_bytes ? best : NULL;
}

static int keep_volume(struct pool *pool, const struct volume *volume, struct volume **ret_volume)
{
    struct volume *more = reallocarray(pool->volumes, pool->volume_count + 1, sizeof *more);

    if (!more)
        return -ENOMEM;
    pool->volumes = more;
    pool->volumes[pool->volume_count] = *volume;
    *ret_volume = &pool->volumes[pool->volume_count++];
    return 0;
}

static int check_same(const struct volume *volume, const struct pool *pool, int64_t size_bytes, enum disk_media media,
                      struct reason *reason)
{
    if (volume->size_bytes != size_bytes)
        return reason_refuse(reason, "size_bytes", "the volume is there already, with %lld bytes",
                             (long long)volume->size_bytes);
    if (pool->media != media)
        return reason_refuse(reason, "media", "the volume is there already, on %s", disk_media_name(pool->media));
    return 0;
}

int state_make_volume(struct state *state, const char *name, int64_t size_bytes, enum disk_media media,
                      struct volume **ret_volume, struct state_entry **ret_entry, struct reason *reason)
{
    struct volume *there, made = { .size_bytes = size_bytes };
    struct state_entry *entry;
    int r;

    there = state_find_volume(state, name, &entry);
    if (there) {
        r = check_same(there, &entry->pool, size_bytes, media, reason);
        if (r == 0) {
            *ret_volume = there;
            *ret_entry = entry;
        }
        return r;
    }
    if (!state->settled) /* it may lie on a disk that wasn't looked at yet */
        return reason_refuse(reason, NULL, "the disks are still being examined");
    entry = pick_pool(state, size_bytes, media, reason);
    if (!entry)
        return REFUSED;
    r = volume_make(entry->pool.volumes_fd, name, size_bytes, &made.subvolume_id);
    if (r < 0)
        return r;
    snprintf(made.name, sizeof made.name, "%s", name);
    r = keep_volume(&entry->pool, &made, ret_volume);
    if (r < 0)
        return r;
    *ret_entry = entry;
    log_info("volume %s: made in pool %s, %lld bytes", name, entry->pool.label, (long long)size_bytes);
    return 0;
}

int state_delete_volume(struct state *state, const char *name)
{
    struct state_entry *entry;
    struct volume *volume;
    int r;

    /* In every pool: a disk that was away may have brought an older one of the same name. */
    while ((volume = state_find_volume(state, name, &entry))) {
        struct pool *pool = &entry->pool;
        r = volume_remove(pool->volumes_fd, name);
        if (r < 0)
            return r;
        *volume = pool->volumes[--pool->volume_count];
        pool->sweeps = POOL_SWEEPS;
        log_info("volume %s: deleted from pool %s", name, pool->label);
    }
    return 0;
}
