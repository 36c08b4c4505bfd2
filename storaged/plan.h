#pragma once

/* From what is (disks, pools, cache) and what is wanted (the rules, the setting `claim`) to what is to be done next.
 * Pure: no descriptor, no clock, no randomness. It is asked anew after everything that happened, and never remembers.
 */

#include "storaged/disk.h"

#include <stdbool.h>
#include <stddef.h>

#define PLAN_REASON_BYTES 256
#define PLAN_ACTIONS_MAX (2 * DISKS_MAX + 1)

enum plan_stage {
    PLAN_EXAMINING, /* what it holds is being found out */
    PLAN_SLOW,      /* the same, but for so long that nobody waits for it any more */
    PLAN_EXAMINED,  /* its content is known, and nothing was decided yet */
    PLAN_WORKING,   /* its boot partition is being read, or its pool formatted or mounted */
    PLAN_USED,      /* its pool is open */
    PLAN_REFUSED,   /* decided: it stays alone */
};

struct plan_disk {
    struct disk disk;
    enum plan_stage stage;
    bool medium_read; /* the settings on its boot partition were looked at */
    /* of one in use: */
    enum disk_media media;
    bool made_now, cache_used; /* as in struct pool */
};

struct plan_wanted {
    bool claim_empty; /* the setting `claim` isn't "none" */
};

struct plan_input {
    const struct plan_disk *disks; /* sorted by name */
    size_t count;
    struct plan_wanted wanted;
    bool cache_mounted;
    /* Disks may still turn up (buses are slow): true once it is no use to wait any longer for a pool that has the
     * cache. */
    bool patience_over;
};

enum plan_kind { PLAN_READ_MEDIUM, PLAN_MAKE_POOL, PLAN_MOUNT_POOL, PLAN_REFUSE, PLAN_MOUNT_CACHE };

struct plan_action {
    enum plan_kind kind;
    size_t index;                   /* of the disk in the input */
    char reason[PLAN_REASON_BYTES]; /* of PLAN_REFUSE: "holds an ext4 file system" */
};

struct plan {
    struct plan_action actions[PLAN_ACTIONS_MAX];
    size_t count;
};

/* Fills the plan: what can be done now, in any order and side by side. */
void plan_make(const struct plan_input *input, struct plan *ret_plan);

/* The reason for which a disk isn't made a pool, written to `ret_reason`; false when it may be. */
bool plan_refuses(const struct disk *disk, struct plan_wanted wanted, char ret_reason[static PLAN_REASON_BYTES]);
