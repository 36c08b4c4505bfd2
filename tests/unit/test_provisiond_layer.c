/* Layers, honest and hostile: what is applied is right, and nothing outside the root is touched whatever they say. */

#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* the tables below leave defaults out */

#include "lib/file.h"
#include "provisiond/inodes.h"
#include "provisiond/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct item {
    const char *path;
    mode_t type;         /* AE_IFREG…; 0: a hard link */
    const char *content; /* or the link's target */
    mode_t mode;
};

static char folder[64], root[128], tar[128], outside[128];

/* Writes the items as a layer. filter: ARCHIVE_FILTER_NONE, _GZIP, _ZSTD. */
static void write_layer(const struct item *items, size_t count, int filter)
{
    struct archive *archive = archive_write_new();

    archive_write_set_format_pax_restricted(archive);
    archive_write_add_filter(archive, filter);
    assert_int_equal(archive_write_open_filename(archive, tar), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        size_t size = items[i].type == AE_IFREG && items[i].content ? strlen(items[i].content) : 0;
        archive_entry_set_pathname(entry, items[i].path);
        archive_entry_set_filetype(entry, items[i].type ? items[i].type : AE_IFREG);
        archive_entry_set_perm(entry, items[i].mode ? items[i].mode : 0755);
        archive_entry_set_uid(entry, getuid());
        archive_entry_set_gid(entry, getgid());
        archive_entry_set_size(entry, (la_int64_t)size);
        archive_entry_set_mtime(entry, 1000000000, 0);
        if (items[i].type == AE_IFLNK)
            archive_entry_set_symlink(entry, items[i].content);
        if (!items[i].type)
            archive_entry_set_hardlink(entry, items[i].content);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        if (size)
            assert_int_equal(archive_write_data(archive, items[i].content, size), (long)size);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
}

static int apply_with(struct layer_budget budget, struct reason *reason)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY), r;

    r = layer_apply(tar, fd, &budget, NULL, NULL, reason);
    close(fd);
    return r;
}

static int apply(const struct item *items, size_t count)
{
    struct reason reason = { 0 };
    int r;

    write_layer(items, count, ARCHIVE_FILTER_NONE);
    r = apply_with((struct layer_budget){ 1000, 1 << 20 }, &reason);
    assert_int_equal(r != 0, reason.text[0] != '\0');
    return r;
}

#define APPLY(...)                                                                                                     \
    apply((const struct item[]){ __VA_ARGS__ }, sizeof((const struct item[]){ __VA_ARGS__ }) / sizeof(struct item))

static char *content(const char *path)
{
    static char text[256];
    char whole[256], *found;

    snprintf(whole, sizeof whole, "%s/%s", root, path);
    if (file_read(whole, sizeof text - 1, &found, NULL) < 0)
        return NULL;
    snprintf(text, sizeof text, "%s", found);
    free(found);
    return text;
}

static struct stat status_of(const char *path)
{
    struct stat status = { 0 };
    char whole[256];

    snprintf(whole, sizeof whole, "%s/%s", root, path);
    lstat(whole, &status);
    return status;
}

static bool is_there(const char *path)
{
    return status_of(path).st_mode != 0;
}

static void assert_outside_untouched(void)
{
    char *text, other[160];

    assert_int_equal(file_read(outside, 100, &text, NULL), 0);
    assert_string_equal(text, "outside");
    free(text);
    snprintf(other, sizeof other, "%s/new", folder);
    assert_int_equal(access(other, F_OK), -1);
}

static void files_folders_and_links_come_out_as_they_went_in(void **state)
{
    assert_int_equal(APPLY({ "./", AE_IFDIR }, { "etc/", AE_IFDIR, NULL, 0700 },
                           { "etc/passwd", AE_IFREG, "root", 0640 }, { "deep/er/file", AE_IFREG, "x" },
                           { "bin/su", AE_IFREG, "su", 04755 }, { "/absolute", AE_IFREG, "a" },
                           { "link", AE_IFLNK, "/etc/passwd" }, { "hard", 0, "etc/passwd" }, { "pipe", AE_IFIFO }),
                     0);
    assert_string_equal(content("etc/passwd"), "root");
    assert_string_equal(content("deep/er/file"), "x");
    assert_string_equal(content("absolute"), "a");
    assert_int_equal(status_of("etc").st_mode, S_IFDIR | 0700);
    assert_int_equal(status_of("bin/su").st_mode, S_IFREG | 04755);
    assert_int_equal(status_of("etc/passwd").st_mtime, 1000000000);
    assert_true(S_ISLNK(status_of("link").st_mode));
    assert_true(S_ISFIFO(status_of("pipe").st_mode));
    assert_int_equal(status_of("hard").st_ino, status_of("etc/passwd").st_ino);
}

static void gzip_and_zstd_are_read(void **state)
{
    static const struct item items[] = { { "file", AE_IFREG, "packed" } };
    struct reason reason;

    for (int i = 0; i < 2; i++) {
        write_layer(items, 1, i ? ARCHIVE_FILTER_ZSTD : ARCHIVE_FILTER_GZIP);
        assert_int_equal(apply_with((struct layer_budget){ 10, 100 }, &reason), 0);
        assert_string_equal(content("file"), "packed");
    }
}

static void a_path_that_climbs_is_refused(void **state)
{
    assert_int_equal(APPLY({ "../new", AE_IFREG, "x" }), REFUSED);
    assert_int_equal(APPLY({ "a/../../new", AE_IFREG, "x" }), REFUSED);
    assert_int_equal(APPLY({ "a/..", AE_IFDIR }), REFUSED);
    assert_int_equal(APPLY({ "hard", 0, "../outside" }), REFUSED);
    assert_outside_untouched();
}

static void symbolic_links_lead_nowhere_outside(void **state)
{
    char target[160];

    /* To the folder above, relative and absolute: both end in the root. */
    assert_int_equal(APPLY({ "up", AE_IFLNK, "../../../../../.." }, { "up/new", AE_IFREG, "inside" }), 0);
    assert_string_equal(content("new"), "inside");
    assert_int_equal(APPLY({ "abs", AE_IFLNK, folder }, { "abs/new", AE_IFREG, "x" }), REFUSED); /* dangles in here */
    /* Through a link as the last part: it is replaced, not followed. */
    snprintf(target, sizeof target, "%s", outside);
    assert_int_equal(APPLY({ "file", AE_IFLNK, target }, { "file", AE_IFREG, "mine" }), 0);
    assert_string_equal(content("file"), "mine");
    assert_true(S_ISREG(status_of("file").st_mode));
    /* A folder entry over a link to a folder is a folder then. */
    assert_int_equal(APPLY({ "dir", AE_IFLNK, "/etc" }, { "dir", AE_IFDIR, NULL, 0700 }, { "dir/x", AE_IFREG, "x" }),
                     0);
    assert_true(S_ISDIR(status_of("dir").st_mode));
    assert_outside_untouched();
}

static void hard_links_lead_nowhere_outside(void **state)
{
    assert_int_equal(APPLY({ "link", AE_IFLNK, outside }, { "hard", 0, "link" }, { "hard", AE_IFREG, "mine" }), 0);
    assert_int_equal(APPLY({ "abs", 0, outside }), REFUSED);
    assert_int_equal(APPLY({ "up", AE_IFLNK, "../.." }, { "hard2", 0, "up/outside" }), REFUSED);
    assert_int_equal(APPLY({ "d", AE_IFDIR }, { "hard3", 0, "d" }), REFUSED);
    assert_int_equal(APPLY({ "self", AE_IFREG, "x" }, { "self", 0, "self" }), 0);
    assert_string_equal(content("self"), "x");
    assert_outside_untouched();
}

static void device_nodes_are_left_out(void **state)
{
    assert_int_equal(APPLY({ "dev/sda", AE_IFBLK }, { "dev/mem", AE_IFCHR }, { "after", AE_IFREG, "x" }), 0);
    assert_false(is_there("dev/sda"));
    assert_false(is_there("dev/mem"));
    assert_true(is_there("after"));
}

static void whiteouts_remove_what_lower_layers_have(void **state)
{
    assert_int_equal(
        APPLY({ "a", AE_IFREG, "1" }, { "d/x", AE_IFREG, "1" }, { "d/e/y", AE_IFREG, "1" }, { "k", AE_IFREG, "1" }), 0);
    assert_int_equal(APPLY({ ".wh.a", AE_IFREG }, { "d/.wh.e", AE_IFREG }, { ".wh.never", AE_IFREG }), 0);
    assert_false(is_there("a"));
    assert_false(is_there("d/e"));
    assert_true(is_there("d/x"));
    assert_true(is_there("k"));
    assert_false(is_there(".wh.a"));
}

static void an_opaque_folder_hides_the_lower_ones_whatever_the_order(void **state)
{
    assert_int_equal(APPLY({ "d/old", AE_IFREG, "1" }, { "d/sub/old", AE_IFREG, "1" }), 0);
    assert_int_equal(APPLY({ "d/new", AE_IFREG, "2" }, { "d/sub", AE_IFDIR }, { "d/sub/new", AE_IFREG, "2" },
                           { "d/.wh..wh..opq", AE_IFREG }, { "d/late", AE_IFREG, "2" }),
                     0);
    assert_false(is_there("d/old"));
    assert_false(is_there("d/sub/old"));
    assert_true(is_there("d/new"));
    assert_true(is_there("d/sub/new"));
    assert_true(is_there("d/late"));
}

static void a_whiteout_cannot_name_what_is_above(void **state)
{
    assert_int_equal(APPLY({ "d/.wh...", AE_IFREG }), REFUSED);
    assert_int_equal(APPLY({ "d/.wh..", AE_IFREG }), REFUSED);
    assert_int_equal(APPLY({ "d/.wh.", AE_IFREG }), REFUSED);
    assert_int_equal(APPLY({ "up", AE_IFLNK, "/" }, { "up/.wh.outside", AE_IFREG }), 0);
    assert_outside_untouched();
}

static void sizes_and_numbers_are_bounded(void **state)
{
    static const struct item items[] = { { "a", AE_IFREG, "12345" }, { "b", AE_IFREG, "12345" } };
    struct reason reason;

    write_layer(items, 2, ARCHIVE_FILTER_NONE);
    assert_int_equal(apply_with((struct layer_budget){ 1, 100 }, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "entries"));
    assert_int_equal(apply_with((struct layer_budget){ 10, 9 }, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "larger"));
    assert_int_equal(apply_with((struct layer_budget){ 2, 10 }, &reason), 0);
}

static void what_is_no_archive_or_ends_early_is_refused(void **state)
{
    static const struct item items[] = { { "a", AE_IFREG, "12345" }, { "b", AE_IFREG, "12345" } };
    struct reason reason;
    char *bytes;
    size_t size;

    assert_int_equal(file_write(tar, "this is no archive at all, just some words that are long enough", 62, 0600), 0);
    assert_int_equal(apply_with((struct layer_budget){ 10, 100 }, &reason), REFUSED);
    write_layer(items, 2, ARCHIVE_FILTER_GZIP);
    assert_int_equal(file_read(tar, 1 << 20, &bytes, &size), 0);
    assert_int_equal(file_write(tar, bytes, size / 2, 0600), 0);
    free(bytes);
    assert_int_equal(apply_with((struct layer_budget){ 10, 100 }, &reason), REFUSED);
}

static void an_inode_set_holds_what_was_added(void **state)
{
    struct inodes inodes = { 0 };

    assert_false(inodes_has(&inodes, 1));
    for (uint64_t i = 1; i < 5000; i++)
        assert_int_equal(inodes_add(&inodes, i * 512), 0);
    for (uint64_t i = 1; i < 5000; i++) {
        assert_true(inodes_has(&inodes, i * 512));
        assert_false(inodes_has(&inodes, i * 512 + 1));
    }
    inodes_close(&inodes);
}

static int set_up(void **state)
{
    strcpy(folder, "/tmp/test-layer-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(root, sizeof root, "%s/root", folder);
    snprintf(tar, sizeof tar, "%s/layer.tar", folder);
    snprintf(outside, sizeof outside, "%s/outside", folder);
    umask(022);
    return mkdir(root, 0755) < 0 || file_write(outside, "outside", 7, 0644) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    return file_remove_tree(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_folders_and_links_come_out_as_they_went_in),
        TEST(gzip_and_zstd_are_read),
        TEST(a_path_that_climbs_is_refused),
        TEST(symbolic_links_lead_nowhere_outside),
        TEST(hard_links_lead_nowhere_outside),
        TEST(device_nodes_are_left_out),
        TEST(whiteouts_remove_what_lower_layers_have),
        TEST(an_opaque_folder_hides_the_lower_ones_whatever_the_order),
        TEST(a_whiteout_cannot_name_what_is_above),
        TEST(sizes_and_numbers_are_bounded),
        TEST(what_is_no_archive_or_ends_early_is_refused),
        cmocka_unit_test(an_inode_set_holds_what_was_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
