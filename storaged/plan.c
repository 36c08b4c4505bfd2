/* The rules of which disk is used how:
 * - settings first: while a boot medium may turn up among the disks or is still to be read, no disk is formatted, since
 *   the settings on it may say `claim: none`;
 * - a disk with a pool of ours is mounted; of two with the same label only the first, the other is a copy of it;
 * - an empty disk becomes a pool, unless it is removable, read-only, held by someone, or too small;
 * - everything else is left alone;
 * - the cache goes to the pool that has one with something in it; else, once all disks are decided, to the best: SSD
 *   before HDD, then by label. But where there are pools of earlier runs and none has a cache, the one with the cache
 *   may be late: then only when patience is over. */

#include "storaged/plan.h"

#include <stdio.h>
#include <string.h>

static void add(struct plan *plan, enum plan_kind kind, size_t index, const char *reason)
{
    struct plan_action *action = &plan->actions[plan->count++];

    *action = (struct plan_action){ .kind = kind, .index = index };
    snprintf(action->reason, sizeof action->reason, "%s", reason ? reason : "");
}

bool plan_refuses(const struct disk *disk, struct plan_wanted wanted, char ret_reason[static PLAN_REASON_BYTES])
{
    const char *reason = NULL;

    if (disk->content == DISK_FOREIGN)
        reason = disk->content_text;
    else if (disk->in_use)
        reason = "is in use";
    else if (disk->read_only)
        reason = "is read-only";
    else if (disk->removable)
        reason = "is removable";
    else if (disk->size_bytes < DISK_SIZE_MIN)
        reason = "is smaller than 512 MiB";
    else if (!wanted.claim_empty)
        reason = "is empty, but the settings say to claim none";
    if (reason)
        snprintf(ret_reason, PLAN_REASON_BYTES, "%s", reason);
    return reason != NULL;
}

/* The disk before this one, or in use already, that has the same pool label; NULL when there is none. */
static const struct plan_disk *find_twin(const struct plan_input *input, size_t index)
{
    const char *label = input->disks[index].disk.label;

    for (size_t i = 0; i < input->count; i++) {
        const struct plan_disk *other = &input->disks[i];
        if (i != index && other->disk.content == DISK_POOL && !strcmp(other->disk.label, label) &&
            (other->stage == PLAN_USED || other->stage == PLAN_WORKING || (other->stage == PLAN_EXAMINED && i < index)))
            return other;
    }
    return NULL;
}

static void decide_pool(const struct plan_input *input, size_t index, struct plan *plan)
{
    const struct plan_disk *disk = &input->disks[index], *twin = find_twin(input, index);
    char reason[PLAN_REASON_BYTES];

    if (twin) {
        snprintf(reason, sizeof reason, "holds our pool %s, a copy of that on %s", disk->disk.label, twin->disk.name);
        add(plan, PLAN_REFUSE, index, reason);
    } else if (disk->disk.read_only) {
        snprintf(reason, sizeof reason, "holds our pool %s, but is read-only", disk->disk.label);
        add(plan, PLAN_REFUSE, index, reason);
    } else {
        add(plan, PLAN_MOUNT_POOL, index, NULL);
    }
}

/* Whether settings may still come from this disk. */
static bool medium_is_due(const struct plan_disk *disk)
{
    return disk->stage == PLAN_EXAMINING || (disk->disk.boot_partition[0] && !disk->medium_read);
}

static void decide_disk(const struct plan_input *input, size_t index, bool media_due, struct plan *plan)
{
    const struct plan_disk *disk = &input->disks[index];
    char reason[PLAN_REASON_BYTES];

    if (disk->stage != PLAN_EXAMINED)
        return;
    if (medium_is_due(disk))
        add(plan, PLAN_READ_MEDIUM, index, NULL);
    else if (disk->disk.content == DISK_POOL)
        decide_pool(input, index, plan);
    else if (plan_refuses(&disk->disk, input->wanted, reason)) {
        if (disk->disk.content == DISK_FOREIGN || !media_due)
            add(plan, PLAN_REFUSE, index, reason);
    } else if (!media_due)
        add(plan, PLAN_MAKE_POOL, index, NULL);
}

/* true when `a` is to have the cache rather than `b`. */
static bool is_better(const struct plan_disk *a, const struct plan_disk *b)
{
    if (a->cache_used != b->cache_used)
        return a->cache_used;
    if (a->media != b->media)
        return a->media == DISK_SSD;
    return strcmp(a->disk.label, b->disk.label) < 0;
}

static void decide_cache(const struct plan_input *input, struct plan *plan)
{
    bool decided = true, old_pools = false;
    size_t best = input->count;

    for (size_t i = 0; i < input->count; i++) {
        const struct plan_disk *disk = &input->disks[i];
        decided &= disk->stage == PLAN_USED || disk->stage == PLAN_REFUSED || disk->stage == PLAN_SLOW;
        if (disk->stage != PLAN_USED)
            continue;
        old_pools |= !disk->made_now;
        if (best == input->count || is_better(disk, &input->disks[best]))
            best = i;
    }
    if (input->cache_mounted || best == input->count || !(decided || input->patience_over))
        return;
    if (input->disks[best].cache_used || !old_pools || input->patience_over)
        add(plan, PLAN_MOUNT_CACHE, best, NULL);
}

void plan_make(const struct plan_input *input, struct plan *ret_plan)
{
    bool media_due = false;

    ret_plan->count = 0;
    for (size_t i = 0; i < input->count; i++)
        media_due |= medium_is_due(&input->disks[i]);
    for (size_t i = 0; i < input->count; i++)
        decide_disk(input, i, media_due, ret_plan);
    decide_cache(input, ret_plan);
}
