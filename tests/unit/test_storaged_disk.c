/* What a disk is (a made-up /sys) and what it holds (image files that carry real signatures). */

#include "lib/file.h"
#include "storaged/disk.h"
#include "storaged/measure.h"
#include "storaged/path.h"
#include "storaged/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1 << 20)
#define IMAGE_BYTES (64 * MIB)

static char root[] = "/tmp/storaged-test-XXXXXX";

static int make_root(void **state)
{
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    return file_remove_tree(root);
}

/* Writes <root>/sys/block/<name>/<file>. */
static void put(const char *name, const char *file, const char *text)
{
    char path[PATH_BYTES], *slash;

    path_under(root, path, "/sys/block/%s/%s", name, file);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folders(path, 0755), 0);
    *slash = '/';
    assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

static void what_the_kernel_makes_up_does_not_count_as_disk(void **state)
{
    static const char *const disks[] = { "sda", "vda", "xvda", "hda", "nvme0n1", "mmcblk0", "pmem0", "sdaa" };
    static const char *const others[] = { "loop0", "ram0", "zram0", "dm-0", "md127", "sr0", "fd0", "nbd0", ".", "" };

    for (size_t i = 0; i < sizeof disks / sizeof *disks; i++)
        assert_true(disk_name_counts(disks[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(disk_name_counts(others[i]));
    assert_false(disk_name_counts("a-name-that-is-longer-than-any-disk-has"));
}

static void a_disk_is_read_from_sys(void **state)
{
    struct disk disk;

    put("sda", "size", "8388608\n");
    put("sda", "diskseq", "7\n");
    put("sda", "removable", "0\n");
    put("sda", "ro", "1\n");
    put("sda", "queue/rotational", "1\n");
    put("sda", "device/model", "  WDC\tWD40\x01 EFRX   \n");
    put("sda", "holders/dm-0/x", "");
    assert_int_equal(disk_observe(root, "sda", &disk), 0);
    assert_string_equal(disk.name, "sda");
    assert_int_equal(disk.size_bytes, INT64_C(4) << 30);
    assert_int_equal(disk.sequence, 7);
    assert_true(disk.rotational && disk.read_only && disk.in_use && !disk.removable);
    assert_string_equal(disk.model, "WDCWD40 EFRX");
    assert_int_equal(disk.content, DISK_UNKNOWN);
}

static void missing_files_of_sys_count_as_nothing(void **state)
{
    struct disk disk;

    put("vda", "size", "junk");
    assert_int_equal(disk_observe(root, "vda", &disk), 0);
    assert_int_equal(disk.size_bytes, 0);
    assert_string_equal(disk.model, "");
    assert_int_equal(disk_observe(root, "absent", &disk), -ENOENT);
    put("nvme0c0n1", "size", "8388608");
    put("nvme0c0n1", "hidden", "1");
    assert_int_equal(disk_observe(root, "nvme0c0n1", &disk), -ENOENT);
}

static void the_list_is_sorted_and_without_others(void **state)
{
    char names[DISKS_MAX][DISK_NAME_BYTES];
    size_t count = 0;

    put("sdb", "size", "1");
    put("loop0", "size", "1");
    assert_int_equal(disk_list(root, names, &count), 0);
    assert_true(count >= 3);
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(names[i], "loop0");
        assert_true(i == 0 || strcmp(names[i - 1], names[i]) < 0);
    }
}

static bool collect(void *context, const char *partition)
{
    strcat(strcat(context, partition), " ");
    return true;
}

static void partitions_are_found(void **state)
{
    char found[64] = "";

    put("sdc", "sdc1/partition", "1");
    put("sdc", "queue/rotational", "1");
    disk_each_partition(root, "sdc", collect, found);
    assert_string_equal(found, "sdc1 ");
}

/* An image file with some bytes in it, as it is after probing. */
static struct disk probe_image(int64_t offset, const char *bytes, size_t size)
{
    struct disk disk = { .size_bytes = IMAGE_BYTES };
    char path[PATH_BYTES];
    int fd;

    path_under(root, path, "/image");
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
    if (size > 0)
        assert_int_equal(pwrite(fd, bytes, size, offset), size);
    probe_content(fd, &disk);
    close(fd);
    return disk;
}

static void assert_foreign(struct disk disk, const char *text)
{
    assert_int_equal(disk.content, DISK_FOREIGN);
    assert_string_equal(disk.content_text, text);
}

static void only_zeros_are_empty(void **state)
{
    assert_int_equal(probe_image(0, "", 0).content, DISK_EMPTY);
    /* In the middle anything may be left over of what was once there. */
    assert_int_equal(probe_image(IMAGE_BYTES / 2, "x", 1).content, DISK_EMPTY);
}

static void a_single_byte_in_the_first_or_last_mib_is_data(void **state)
{
    static const char first[] = "holds data of an unknown kind in its first MiB";
    static const char last[] = "holds data of an unknown kind in its last MiB";

    assert_foreign(probe_image(0, "x", 1), first);
    assert_foreign(probe_image(MIB - 1, "x", 1), first);
    assert_foreign(probe_image(IMAGE_BYTES - 1, "x", 1), last);
    assert_foreign(probe_image(IMAGE_BYTES - MIB, "x", 1), last);
}

static void swap_and_luks_are_told_by_name(void **state)
{
    static const char luks[592] = "LUKS\xba\xbe\0\1aes\0";
    char swap[4096] = "";

    memcpy(swap + 1024, "\1\0\0\0\xff\x3f\0\0", 8); /* version 1, last page */
    memcpy(swap + 4086, "SWAPSPACE2", 10);
    assert_foreign(probe_image(0, swap, sizeof swap), "holds swap space");
    assert_foreign(probe_image(0, luks, sizeof luks), "holds an encrypted volume (crypto_LUKS)");
}

static void a_partition_table_is_told(void **state)
{
    char table[512] = "";

    memcpy(table + 446, "\0\0\2\0\x83\0\0\0\0\x08\0\0\0\x10\0\0",
           16); /* one Linux partition: 4096 sectors from 2048 on */
    memcpy(table + 510, "\x55\xaa", 2);
    assert_foreign(probe_image(0, table, sizeof table), "has an MBR partition table");
}

/* An image with a btrfs superblock that has nothing but a magic number and a label. */
static struct disk probe_superblock(const char *magic, const char *label)
{
    static char block[4096];

    memset(block, 0, sizeof block);
    memcpy(block + 64, magic, 8);
    strcpy(block + 0x12b, label);
    return probe_image(65536, block, sizeof block);
}

static void what_our_own_mkfs_left_half_made_is_unfinished(void **state)
{
    struct disk disk = probe_superblock("!BHRfS_M", "zos-0123abcd");

    assert_int_equal(disk.content, DISK_UNFINISHED);
    assert_string_equal(disk.label, "zos-0123abcd");
    /* That of somebody else stays as it is. */
    assert_int_equal(probe_superblock("!BHRfS_M", "backup").content, DISK_FOREIGN);
    assert_int_equal(probe_superblock("!BHRfS_X", "zos-0123abcd").content, DISK_FOREIGN);
}

static void only_labels_of_ours_are_pools(void **state)
{
    assert_true(probe_is_pool_label("zos-0123abcd"));
    assert_false(probe_is_pool_label("zos-0123ABCD"));
    assert_false(probe_is_pool_label("zos-0123abc"));
    assert_false(probe_is_pool_label("zos-0123abcde"));
    assert_false(probe_is_pool_label("data"));
    assert_false(probe_is_pool_label(""));
}

static void a_drive_without_medium_or_device_is_refused(void **state)
{
    struct disk disk = { .name = "sdz" };

    probe_disk(root, &disk);
    assert_foreign(disk, "holds no medium");
    disk = (struct disk){ .name = "sdz", .size_bytes = MIB };
    probe_disk(root, &disk);
    assert_foreign(disk, "can't be opened: No such file or directory");
}

static void fast_random_reads_make_an_ssd(void **state)
{
    assert_int_equal(measure_media(false, 0), DISK_SSD);
    assert_int_equal(measure_media(false, 100), DISK_SSD);
    assert_int_equal(measure_media(true, 0), DISK_HDD);
    assert_int_equal(measure_media(true, MEASURE_SSD_IOPS - 1), DISK_HDD);
    assert_int_equal(measure_media(true, MEASURE_SSD_IOPS), DISK_SSD);
}

static void a_disk_too_small_to_measure_is_an_error(void **state)
{
    struct measure measure = { .read_iops = 42 };

    assert_int_equal(measure_disk(-1, MIB, &measure), -EINVAL);
    assert_int_equal(measure.read_iops, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_makes_up_does_not_count_as_disk),
        cmocka_unit_test(a_disk_is_read_from_sys),
        cmocka_unit_test(missing_files_of_sys_count_as_nothing),
        cmocka_unit_test(the_list_is_sorted_and_without_others),
        cmocka_unit_test(partitions_are_found),
        cmocka_unit_test(only_zeros_are_empty),
        cmocka_unit_test(a_single_byte_in_the_first_or_last_mib_is_data),
        cmocka_unit_test(swap_and_luks_are_told_by_name),
        cmocka_unit_test(a_partition_table_is_told),
        cmocka_unit_test(what_our_own_mkfs_left_half_made_is_unfinished),
        cmocka_unit_test(only_labels_of_ours_are_pools),
        cmocka_unit_test(a_drive_without_medium_or_device_is_refused),
        cmocka_unit_test(fast_random_reads_make_an_ssd),
        cmocka_unit_test(a_disk_too_small_to_measure_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
