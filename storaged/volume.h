#pragma once

/* Subvolumes with a limit. Those of a pool's folder `volumes` are the volumes: the folder entry is the record, the
 * quota group's limit is the size, and nothing else is kept anywhere. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VOLUME_NAME_BYTES 129              /* 128 and the NUL */
#define VOLUME_SIZE_MIN (INT64_C(1) << 20) /* an empty subvolume takes 16 KiB, a file's tail a block */
#define VOLUME_NEW_PREFIX ".new-"          /* being made */
#define VOLUME_OLD_PREFIX ".old-"          /* being removed */

struct volume {
    char name[VOLUME_NAME_BYTES];
    uint64_t subvolume_id;
    int64_t size_bytes; /* 0: has no limit, which only a foreign hand can have done */
};

/* [a-z0-9][a-z0-9._-]{0,127} */
bool volume_name_is_valid(const char *name);

/* Makes a subvolume `name` in the folder `parent_fd` with a limit. It is made under a temporary name and renamed when
 * it is whole, so that it is there with its limit or not at all. The temporary one of an interrupted run is removed
 * first. 0, -EEXIST (silent), or another negative errno, logged. */
int volume_make(int parent_fd, const char *name, int64_t size_bytes, uint64_t *ret_subvolume_id);

/* Removes a subvolume and those inside it. It is renamed first, so that what is half removed is never taken for a
 * volume; the next try, or the next scan, goes on with it. Absence is fine. 0, or negative errno, logged. */
int volume_remove(int parent_fd, const char *name);

/* Reads all volumes of a folder and removes what interrupted runs left (`.new-…`,
 * `.old-…`). Whatever else lies there is passed
 * over with a warning. The array is the caller's, free(). 0, or negative errno, logged. */
int volume_scan(int parent_fd, struct volume **ret_volumes, size_t *ret_count);
