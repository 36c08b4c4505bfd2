/* Pools and volumes on a real btrfs: a loop device, in a mount namespace of the test's own. Where the machine has no
 * btrfs, no loop devices, or we aren't root, each test is skipped. */

#include "lib/cleanup.h"
#include "lib/file.h"
#include "storaged/path.h"
#include "storaged/quota.h"
#include "storaged/state.h"
#include "tests/unit/loop_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (INT64_C(1) << 20)
#define DISK_BYTES (1024 * MIB)

static char root[] = "/tmp/storaged-test-XXXXXX";
static int loop_fd = -1;
static const char *missing; /* why the tests are skipped */

static void need_machine(void)
{
    if (missing) {
        print_message("skipped: %s\n", missing);
        skip();
    }
}

static int begin(void **state)
{
    missing = loop_disk_begin(root);
    return 0;
}

static int end(void **state)
{
    loop_disk_end(root);
    return 0;
}

static int set_up(void **state)
{
    if (!missing)
        missing = loop_disk_add(root, "vda", DISK_BYTES, &loop_fd);
    return 0;
}

static int tear_down(void **state)
{
    close(loop_fd);
    loop_fd = -1;
    return 0;
}

static struct disk the_disk(void)
{
    return (struct disk){ .name = "vda", .size_bytes = DISK_BYTES, .rotational = true, .content = DISK_EMPTY };
}

/* A fresh pool; `disk` is as examining it again would tell. */
static struct pool make(struct disk *disk)
{
    struct reason reason = { 0 };
    struct pool pool;

    *disk = the_disk();
    pool_new_label(disk->label);
    if (pool_make(root, disk, disk->label, &reason) != 0)
        fail_msg("pool_make: %s", reason.text);
    if (pool_open(root, disk, &pool, &reason) != 0)
        fail_msg("pool_open: %s", reason.text);
    return pool;
}

/* Writes zeros until it is refused; how many MiB went in. The file's name must not exist. */
static int fill(int parent_fd, const char *path)
{
    static const char zeros[1 << 20];
    cleanup_close int fd = openat(parent_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int count = 0;

    assert_true(fd >= 0);
    while (count < 200 && write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros)
        count++;
    return count;
}

static void an_empty_disk_becomes_a_pool_with_all_that_belongs_into_it(void **state)
{
    struct disk disk;
    struct stat status;
    struct pool pool;

    need_machine();
    pool = make(&disk);
    assert_string_equal(pool.label, disk.label);
    assert_int_equal(pool.media, DISK_SSD); /* a file in the page cache reads fast */
    assert_true(pool.measure.read_iops > 0 && pool.measure.read_bytes_per_s > 0);
    assert_int_equal(fstatat(pool.top_fd, "identity", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(pool.volume_count, 0);
    assert_false(pool.cache_used);
    pool_drop(root, &pool);
}

static void a_disk_with_a_single_byte_of_data_is_not_formatted(void **state)
{
    struct reason reason = { 0 };
    struct disk disk = the_disk();
    char byte = 'x';

    need_machine();
    assert_int_equal(pwrite(loop_fd, &byte, 1, 4711), 1);
    assert_int_equal(pool_make(root, &disk, "zos-00000001", &reason), REFUSED);
    assert_string_equal(reason.text, "holds data of an unknown kind in its first MiB");
}

static void a_disk_in_use_is_not_formatted(void **state)
{
    cleanup_close int fd = -1;
    struct reason reason = { 0 };
    struct disk disk = the_disk();
    char path[PATH_BYTES];

    need_machine();
    path_under(root, path, "/dev/vda");
    fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pool_make(root, &disk, "zos-00000001", &reason), REFUSED);
    assert_string_equal(reason.text, "is in use");
}

static void what_mkfs_says_is_the_reason(void **state)
{
    cleanup_free char *mkfs = NULL;
    struct reason reason = { 0 };
    struct disk disk = the_disk();
    char label[300];

    need_machine();
    mkfs = strdup(getenv("ZOS_MKFS"));
    memset(label, 'a', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    assert_int_equal(pool_make(root, &disk, label, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "can't be formatted: "));
    assert_non_null(strstr(reason.text, "ERROR: label"));
    setenv("ZOS_MKFS", "/nonexistent", 1);
    assert_int_equal(pool_make(root, &disk, "zos-00000001", &reason), REFUSED);
    assert_string_equal(reason.text, "can't be formatted: /nonexistent: No such file or directory");
    setenv("ZOS_MKFS", mkfs, 1);
}

static void a_pool_that_was_mounted_before_is_taken_over_and_keeps_its_kind(void **state)
{
    struct reason reason = { 0 };
    struct disk disk;
    struct pool pool, again;
    uint64_t id;

    need_machine();
    pool = make(&disk);
    assert_int_equal(volume_make(pool.volumes_fd, "data", 16 * MIB, &id), 0);
    pool_close(&pool);
    disk.in_use = true;
    assert_int_equal(pool_open(root, &disk, &again, &reason), 0);
    assert_int_equal(again.volume_count, 1);
    assert_string_equal(again.volumes[0].name, "data");
    assert_int_equal(again.volumes[0].size_bytes, 16 * MIB);
    assert_int_equal(again.volumes[0].subvolume_id, id);
    assert_int_equal(again.media, DISK_SSD);
    pool_drop(root, &again);
}

static void what_interrupted_runs_left_is_removed_and_what_is_foreign_stays(void **state)
{
    struct reason reason = { 0 };
    struct stat status;
    struct disk disk;
    struct pool pool, again;
    uint64_t id;

    need_machine();
    pool = make(&disk);
    assert_int_equal(volume_make(pool.volumes_fd, "a", 16 * MIB, &id), 0);
    assert_int_equal(volume_make(pool.volumes_fd, "b", 16 * MIB, &id), 0);
    assert_int_equal(renameat(pool.volumes_fd, "a", pool.volumes_fd, ".new-a"), 0);
    assert_int_equal(renameat(pool.volumes_fd, "b", pool.volumes_fd, ".old-b"), 0);
    assert_int_equal(mkdirat(pool.volumes_fd, "folder", 0700), 0);
    assert_int_equal(symlinkat("/etc", pool.volumes_fd, "link"), 0);
    pool_close(&pool);
    assert_int_equal(pool_open(root, &disk, &again, &reason), 0);
    assert_int_equal(again.volume_count, 0);
    assert_int_equal(fstatat(again.volumes_fd, ".new-a", &status, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(fstatat(again.volumes_fd, ".old-b", &status, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(fstatat(again.volumes_fd, "folder", &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fstatat(again.volumes_fd, "link", &status, AT_SYMLINK_NOFOLLOW), 0);
    pool_drop(root, &again);
}

static void a_record_that_is_broken_or_a_link_is_made_anew(void **state)
{
    struct reason reason = { 0 };
    struct stat status;
    struct disk disk;
    struct pool pool, again;

    need_machine();
    pool = make(&disk);
    assert_int_equal(unlinkat(pool.top_fd, "pool.json", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", pool.top_fd, "pool.json"), 0);
    pool_close(&pool);
    assert_int_equal(pool_open(root, &disk, &again, &reason), 0);
    assert_int_equal(fstatat(again.top_fd, "pool.json", &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(status.st_mode));
    pool_drop(root, &again);
}

static void a_volume_holds_what_its_limit_says_and_no_more(void **state)
{
    struct disk disk;
    struct pool pool;
    int64_t limit, used;
    uint64_t id;
    int count;

    need_machine();
    pool = make(&disk);
    assert_int_equal(volume_make(pool.volumes_fd, "data", 64 * MIB, &id), 0);
    count = fill(pool.volumes_fd, "data/file");
    assert_in_range(count, 60, 64);
    assert_int_equal(syncfs(pool.top_fd), 0);
    assert_int_equal(quota_read(pool.top_fd, id, &limit, &used), 0);
    assert_int_equal(limit, 64 * MIB);
    assert_in_range(used, 60 * MIB, 64 * MIB);
    assert_int_equal(volume_make(pool.volumes_fd, "data", 64 * MIB, &id), -EEXIST);
    pool_drop(root, &pool);
}

static void a_full_volume_can_be_removed_and_absence_is_fine(void **state)
{
    struct stat status;
    struct disk disk;
    struct pool pool;
    uint64_t id;

    need_machine();
    pool = make(&disk);
    assert_int_equal(volume_make(pool.volumes_fd, "data", 64 * MIB, &id), 0);
    fill(pool.volumes_fd, "data/file");
    assert_int_equal(volume_remove(pool.volumes_fd, "data"), 0);
    assert_int_equal(fstatat(pool.volumes_fd, "data", &status, 0), -1);
    assert_int_equal(volume_remove(pool.volumes_fd, "data"), 0);
    assert_int_equal(volume_make(pool.volumes_fd, "data", 64 * MIB, &id), 0);
    pool_drop(root, &pool);
}

static void a_pool_that_cannot_be_mounted_is_refused_and_left_as_it_is(void **state)
{
    struct reason reason = { 0 };
    char zeros[4096] = "", before[4096], after[4096];
    struct disk disk;
    struct pool pool;

    need_machine();
    pool = make(&disk);
    pool_drop(root, &pool);
    usleep(200000); /* a lazy unmount's last word */
    memset(zeros, 0x5a, sizeof zeros);
    assert_int_equal(pwrite(loop_fd, zeros, 2048, 65536 + 0x40), 2048); /* the magic number, and much after it */
    assert_int_equal(pread(loop_fd, before, sizeof before, 65536), sizeof before);
    assert_int_equal(pool_open(root, &disk, &pool, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "which can't be mounted: "));
    assert_int_equal(pread(loop_fd, after, sizeof after, 65536), sizeof after);
    assert_memory_equal(before, after, sizeof before);
}

static void the_cache_is_a_subvolume_with_a_limit(void **state)
{
    char name[DISK_NAME_BYTES], path[PATH_BYTES];
    struct reason reason = { 0 };
    struct stat top, cache;
    struct disk disk;
    struct pool pool;

    need_machine();
    pool = make(&disk);
    pool_cache_mounted(root, name);
    assert_string_equal(name, "");
    assert_int_equal(pool_mount_cache(root, &pool), 0);
    pool_cache_mounted(root, name);
    assert_string_equal(name, "vda");
    path_under(root, path, "/var/lib/zos");
    assert_int_equal(stat(path, &cache), 0);
    assert_int_equal(fstat(pool.top_fd, &top), 0);
    assert_int_equal(cache.st_ino, 256);
    path_under(root, path, "/var/lib/zos/journal");
    assert_int_equal(file_write(path, "x", 1, 0600), 0);
    pool_close(&pool);
    disk.in_use = true;
    assert_int_equal(pool_open(root, &disk, &pool, &reason), 0);
    assert_true(pool.cache_used);
    path_under(root, path, "/var/lib/zos");
    umount2(path, MNT_DETACH);
    pool_drop(root, &pool);
}

static void volumes_are_asked_for_and_refused_with_reasons(void **context)
{
    static struct state state;
    struct state_entry *entry, *other;
    struct volume *volume, *again;
    struct reason reason = { 0 };
    struct disk disk;
    struct pool pool;

    need_machine();
    pool = make(&disk);
    state = (struct state){ .settled = false };
    entry = state_add(&state, &disk, 0);
    entry->pool = pool;
    entry->known.stage = PLAN_USED;

    assert_int_equal(state_make_volume(&state, "a", 32 * MIB, DISK_SSD, &volume, &other, &reason), REFUSED);
    assert_string_equal(reason.text, "the disks are still being examined");
    state.settled = true;
    assert_int_equal(state_make_volume(&state, "a", 32 * MIB, DISK_SSD, &volume, &other, &reason), 0);
    assert_int_equal(state_make_volume(&state, "a", 32 * MIB, DISK_SSD, &again, &other, &reason), 0);
    assert_ptr_equal(again, volume);
    assert_int_equal(state_pool_left(&entry->pool), pool_capacity(DISK_BYTES) - 32 * MIB);
    assert_int_equal(state_make_volume(&state, "a", 33 * MIB, DISK_SSD, &again, &other, &reason), REFUSED);
    assert_string_equal(reason.text, "size_bytes: the volume is there already, with 33554432 bytes");
    assert_int_equal(state_make_volume(&state, "b", 33 * MIB, DISK_HDD, &again, &other, &reason), REFUSED);
    assert_string_equal(reason.text, "media: there is no hdd on this node");
    assert_int_equal(state_make_volume(&state, "b", DISK_BYTES, DISK_SSD, &again, &other, &reason), REFUSED);
    assert_int_equal(state_capacity(&state, DISK_SSD), pool_capacity(DISK_BYTES));
    assert_int_equal(state_delete_volume(&state, "a"), 0);
    assert_int_equal(state_delete_volume(&state, "a"), 0);
    assert_int_equal(state_pool_left(&entry->pool), pool_capacity(DISK_BYTES));
    pool_drop(root, &entry->pool);
    state_remove(&state, entry);
}

static void capacity_leaves_room_for_btrfs_and_cache(void **state)
{
    assert_int_equal(pool_capacity(0), 0);
    assert_int_equal(pool_capacity(64 * MIB), 0);
    assert_int_equal(pool_capacity(1024 * MIB), (1024 - 64 - 64 - 256) * MIB);
    assert_int_equal(pool_cache_share(INT64_C(4) << 40), INT64_C(32) << 30);
    assert_int_equal(pool_capacity(INT64_C(4) << 40),
                     (INT64_C(4) << 40) - 64 * MIB - (INT64_C(4) << 36) - (INT64_C(32) << 30));
}

static void volume_names_follow_the_rule(void **state)
{
    static const char *const good[] = { "a", "0", "a.b-c_d", "0123456789abcdef.web.root" };
    static const char *const bad[] = { "", ".", "..", ".new-a", "-a", "_a", "A", "a/b", "a b", "a\n", "\xc3\xa4" };
    char name[VOLUME_NAME_BYTES + 1];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(volume_name_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(volume_name_is_valid(bad[i]));
    memset(name, 'a', sizeof name);
    name[VOLUME_NAME_BYTES - 1] = '\0';
    assert_true(volume_name_is_valid(name));
    name[VOLUME_NAME_BYTES - 1] = 'a';
    name[VOLUME_NAME_BYTES] = '\0';
    assert_false(volume_name_is_valid(name));
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_leaves_room_for_btrfs_and_cache),
        cmocka_unit_test(volume_names_follow_the_rule),
        ON_DISK(an_empty_disk_becomes_a_pool_with_all_that_belongs_into_it),
        ON_DISK(a_disk_with_a_single_byte_of_data_is_not_formatted),
        ON_DISK(a_disk_in_use_is_not_formatted),
        ON_DISK(what_mkfs_says_is_the_reason),
        ON_DISK(a_pool_that_was_mounted_before_is_taken_over_and_keeps_its_kind),
        ON_DISK(what_interrupted_runs_left_is_removed_and_what_is_foreign_stays),
        ON_DISK(a_record_that_is_broken_or_a_link_is_made_anew),
        ON_DISK(a_volume_holds_what_its_limit_says_and_no_more),
        ON_DISK(a_full_volume_can_be_removed_and_absence_is_fine),
        ON_DISK(a_pool_that_cannot_be_mounted_is_refused_and_left_as_it_is),
        ON_DISK(the_cache_is_a_subvolume_with_a_limit),
        ON_DISK(volumes_are_asked_for_and_refused_with_reasons),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
