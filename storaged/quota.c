/* Quota groups through ioctls, and what they hold by searching the quota tree (linux/btrfs_tree.h: one item of type
 * QGROUP_INFO and one of type QGROUP_LIMIT a group, key (0, type, group id)). */

#include "storaged/quota.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <endian.h>
#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA
#define BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA 4 /* linux/btrfs.h of 6.7; Debian 12's is older */
#endif

#define GROUP_LEVEL_SHIFT 48
#define SWEEP_MAX 512 /* groups removed at once; the next time goes on */

static uint64_t group_of(uint64_t subvolume_id)
{
    return UINT64_C(1) << GROUP_LEVEL_SHIFT | subvolume_id;
}

int quota_enable(int fd)
{
    struct btrfs_ioctl_quota_ctl_args args = { .cmd = BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA };

    /* Already on: 0 from some kernels, EEXIST from others. */
    if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) < 0 && errno != EEXIST)
        return log_fail(-errno, "turn on simple quotas");
    return 0;
}

int quota_limit(int fd, uint64_t subvolume_id, int64_t limit_bytes)
{
    uint64_t group = group_of(subvolume_id);
    struct btrfs_ioctl_qgroup_create_args create = { .create = 1, .qgroupid = group };
    struct btrfs_ioctl_qgroup_assign_args assign = { .assign = 1, .src = subvolume_id, .dst = group };
    struct btrfs_ioctl_qgroup_limit_args limit = {
        .qgroupid = group,
        .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = (uint64_t)limit_bytes },
    };

    if (ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &create) < 0 && errno != EEXIST)
        return log_fail(-errno, "make quota group 1/%llu", (unsigned long long)subvolume_id);
    if (ioctl(fd, BTRFS_IOC_QGROUP_ASSIGN, &assign) < 0 && errno != EEXIST)
        return log_fail(-errno, "put subvolume %llu into its quota group", (unsigned long long)subvolume_id);
    if (ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &limit) < 0)
        return log_fail(-errno, "limit quota group 1/%llu", (unsigned long long)subvolume_id);
    return 0;
}

int quota_lift(int fd, uint64_t subvolume_id)
{
    struct btrfs_ioctl_qgroup_limit_args limit = {
        .qgroupid = group_of(subvolume_id),
        .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = UINT64_MAX }, /* CLEAR_VALUE of fs/btrfs/qgroup.c */
    };

    if (ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &limit) < 0 && errno != ENOENT)
        return log_fail(-errno, "lift the limit of quota group 1/%llu", (unsigned long long)subvolume_id);
    return 0;
}

/* Calls `each` for every item of a type in a range of groups, until it returns false. 0, or negative errno, logged. */
static int search(int fd, uint32_t type, uint64_t first, uint64_t last,
                  bool (*each)(void *context, uint64_t group, const void *item, size_t size), void *context)
{
    struct btrfs_ioctl_search_args args = { .key = { .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
                                                     .min_type = type,
                                                     .max_type = type,
                                                     .min_offset = first,
                                                     .max_offset = last,
                                                     .max_transid = UINT64_MAX } };
    struct btrfs_ioctl_search_header header;

    for (;;) {
        size_t at = 0;
        args.key.nr_items = 4096;
        if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
            return log_fail(-errno, "search the quota tree");
        for (uint32_t i = 0; i < args.key.nr_items && at + sizeof header <= sizeof args.buf; i++) {
            memcpy(&header, args.buf + at, sizeof header);
            at += sizeof header;
            if (header.len > sizeof args.buf - at)
                break;
            if (header.type == type && !each(context, header.offset, args.buf + at, header.len))
                return 0;
            at += header.len;
        }
        if (args.key.nr_items == 0 || header.offset >= last)
            return 0;
        args.key.min_offset = header.offset + 1;
    }
}

static bool on_info(void *context, uint64_t group, const void *item, size_t size)
{
    struct btrfs_qgroup_info_item info;

    if (size < sizeof info)
        return false;
    memcpy(&info, item, sizeof info);
    *(int64_t *)context = (int64_t)le64toh(info.rfer);
    return false;
}

static bool on_limit(void *context, uint64_t group, const void *item, size_t size)
{
    struct btrfs_qgroup_limit_item limit;

    if (size < sizeof limit)
        return false;
    memcpy(&limit, item, sizeof limit);
    if (le64toh(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER)
        *(int64_t *)context = (int64_t)le64toh(limit.max_rfer);
    return false;
}

int quota_read(int fd, uint64_t subvolume_id, int64_t *ret_limit_bytes, int64_t *ret_used_bytes)
{
    uint64_t group = group_of(subvolume_id);
    int64_t limit = 0, used = 0;
    int r;

    r = search(fd, BTRFS_QGROUP_LIMIT_KEY, group, group, on_limit, &limit);
    if (r == 0)
        r = search(fd, BTRFS_QGROUP_INFO_KEY, group, group, on_info, &used);
    if (r < 0)
        return r;
    *ret_limit_bytes = limit > 0 ? limit : 0;
    *ret_used_bytes = used > 0 ? used : 0;
    return 0;
}

struct sweep {
    const uint64_t *live;
    size_t live_count;
    uint64_t dead[SWEEP_MAX];
    size_t dead_count;
};

static bool on_group(void *context, uint64_t group, const void *item, size_t size)
{
    struct sweep *sweep = context;

    for (size_t i = 0; i < sweep->live_count; i++)
        if (group_of(sweep->live[i]) == group)
            return true;
    sweep->dead[sweep->dead_count++] = group;
    return sweep->dead_count < SWEEP_MAX;
}

void quota_sweep(int fd, const uint64_t *live, size_t count)
{
    struct sweep sweep = { .live = live, .live_count = count };

    if (search(fd, BTRFS_QGROUP_INFO_KEY, group_of(0), group_of(0) | ((UINT64_C(1) << GROUP_LEVEL_SHIFT) - 1), on_group,
               &sweep) < 0)
        return;
    for (size_t i = 0; i < sweep.dead_count; i++) {
        struct btrfs_ioctl_qgroup_create_args args = { .create = 0, .qgroupid = sweep.dead[i] };
        /* EBUSY: still has members, whose cleaning up goes on. */
        if (ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0 && errno != EBUSY && errno != ENOENT)
            log_debug("quota group %llx stays: %s", (unsigned long long)sweep.dead[i], strerror(errno));
    }
}
