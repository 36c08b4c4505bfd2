#pragma once

/* Where provisiond keeps things. All of it hangs below one root: "" on a node, a folder of their own in tests. */

#include <stdbool.h>

#define PATH_BYTES 512 /* of a path of ours: the root and fixed parts, an id of 64 digits, a workload's name */

#define PATHS_DISK "/var/lib/zos"              /* storaged's cache subvolume: what must last */
#define PATHS_MEMORY "/run/zos/memory"         /* the same when there is no disk; gone at the next boot */
#define PATHS_CONTAINERS "/run/zos/containers" /* bundles, on tmpfs: they hold opened secrets */
#define PATHS_CLOCK "/run/zos/clock-set"       /* there once the directory has set the clock in this boot */
#define PATHS_KEY "node.key"
#define PATHS_JOURNAL "provisiond.db"

struct paths {
    char root[PATH_BYTES / 4];       /* "" or a folder */
    char state[PATH_BYTES / 2];      /* root and PATHS_DISK or PATHS_MEMORY */
    char images[PATH_BYTES / 2];     /* state/images */
    char containers[PATH_BYTES / 2]; /* root and PATHS_CONTAINERS */
    bool on_disk;
};

/* Fills them for one root and one place of the state. */
void paths_set(struct paths *paths, const char *root, bool on_disk);
