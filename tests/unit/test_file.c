/* Whole files: bounded reads, writes that leave the old or the new, trees that go without following links. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];

static char *path_of(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static int make_folder(void **state)
{
    strcpy(folder, "/tmp/zos-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    return file_remove_tree(folder);
}

static void what_was_written_is_read_again(void **state)
{
    cleanup_free char *content = NULL;
    struct stat what;
    size_t size;

    assert_int_equal(file_write(path_of("a"), "old", 3, 0600), 0);
    assert_int_equal(file_write(path_of("a"), "new\0er", 6, 0640), 0);
    assert_int_equal(file_read(path_of("a"), 6, &content, &size), 0);
    assert_int_equal(size, 6);
    assert_memory_equal(content, "new\0er", 7);
    assert_int_equal(stat(path_of("a"), &what), 0);
    assert_int_equal(what.st_mode & 0777, 0640);
    assert_int_equal(access(path_of("a.new"), F_OK), -1);
}

static void reading_is_bounded(void **state)
{
    char *content = NULL;

    assert_int_equal(file_write(path_of("a"), "123456789", 9, 0600), 0);
    assert_int_equal(file_read(path_of("a"), 8, &content, NULL), -EFBIG);
    assert_int_equal(file_read(path_of("b"), 8, &content, NULL), -ENOENT);
    assert_int_equal(file_read(folder, 8, &content, NULL), -EISDIR);
    assert_null(content);
}

static void a_planted_link_is_not_written_through(void **state)
{
    struct stat what;

    assert_int_equal(file_write(path_of("victim"), "v", 1, 0600), 0);
    assert_int_equal(symlink(path_of("victim"), path_of("a.new")), 0);
    assert_int_equal(file_write(path_of("a"), "mine", 4, 0600), 0);
    assert_int_equal(stat(path_of("victim"), &what), 0);
    assert_int_equal(what.st_size, 1);
}

static void a_tree_goes_and_what_its_links_point_to_stays(void **state)
{
    assert_int_equal(file_make_folders(path_of("keep/inner"), 0755), 0);
    assert_int_equal(file_make_folders(path_of("keep/inner"), 0755), 0);
    assert_int_equal(file_write(path_of("keep/inner/file"), "x", 1, 0600), 0);
    assert_int_equal(file_make_folders(path_of("tree/a/b"), 0755), 0);
    assert_int_equal(file_write(path_of("tree/a/b/file"), "x", 1, 0600), 0);
    assert_int_equal(symlink(path_of("keep"), path_of("tree/a/link")), 0);
    assert_int_equal(file_remove_tree(path_of("tree")), 0);
    assert_int_equal(access(path_of("tree"), F_OK), -1);
    assert_int_equal(access(path_of("keep/inner/file"), F_OK), 0);
    assert_int_equal(file_remove_tree(path_of("tree")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(reading_is_bounded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_planted_link_is_not_written_through, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_tree_goes_and_what_its_links_point_to_stays, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
