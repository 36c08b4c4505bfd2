/* The folder of images: what is listed, what goes, what a full one says. */

#include "lib/file.h"
#include "provisiond/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char folder[64];

static int set_up(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/test_cache.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    umount2(folder, MNT_DETACH);
    return file_remove_tree(folder);
}

static void make(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s/rootfs", folder, name);
    assert_int_equal(file_make_folders(path, 0755), 0);
    snprintf(path, sizeof path, "%s/%s/rootfs/file", folder, name);
    assert_int_equal(file_write(path, "x", 1, 0600), 0);
}

static void assert_listed(cJSON *list, const char *expected)
{
    char *text = json_print(list);

    assert_string_equal(text, expected);
    free(text);
    cJSON_Delete(list);
}

static void what_is_hidden_is_out_of_sight_and_then_removed(void **state)
{
    char path[256];

    make(A);
    make(A ".part");
    assert_int_equal(cache_hide(folder, A), 0);
    assert_listed(cache_list(folder), "[\"" A ".part\"]");
    make(A); /* pulled anew meanwhile */
    assert_int_equal(cache_hide(folder, A ".part"), 0);
    assert_int_equal(cache_sweep(folder), 0);
    assert_listed(cache_list(folder), "[\"" A "\"]");
    snprintf(path, sizeof path, "%s/.gone-0", folder);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(cache_hide(folder, "nothing") < 0);
    assert_listed(cache_list("/nowhere"), "[]");
}

static void bundles_tell_what_lies_below_containers(void **state)
{
    static const char *const LAUNCHES[][2] = {
        { "c-1-web", "{\"lower\":\"/var/lib/zos/images/" A "/rootfs\",\"volume\":\"/mnt/x\"}" },
        { "c-2-web", "{\"lower\":\"/rootfs\",\"volume\":\"/mnt/x\"}" },
        { "c-3-web", "nonsense" },
        { ".c-4-web", "{\"lower\":\"/var/lib/zos/images/" A "/rootfs\",\"volume\":\"/mnt/x\"}" },
    };
    char path[256];

    for (size_t i = 0; i < sizeof LAUNCHES / sizeof *LAUNCHES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, LAUNCHES[i][0]);
        assert_int_equal(file_make_folders(path, 0700), 0);
        snprintf(path, sizeof path, "%s/%s/launch.json", folder, LAUNCHES[i][0]);
        assert_int_equal(file_write(path, LAUNCHES[i][1], strlen(LAUNCHES[i][1]), 0600), 0);
    }
    assert_listed(cache_bundled(folder), "[\"sha256:" A "\"]");
}

static void a_full_cache_says_what_can_be_done(void **state)
{
    struct reason reason = { 0 };

    assert_int_equal(cache_refuse(&reason, "blob", EDQUOT), REFUSED);
    assert_non_null(strstr(reason.text, "blob: the node's image cache is full: take a smaller image"));
    assert_true(cache_says_full(&reason));
    cache_refuse(&reason, NULL, ENOSPC);
    assert_true(cache_says_full(&reason));
    cache_refuse(&reason, NULL, EIO);
    assert_false(cache_says_full(&reason));
    assert_string_equal(reason.text, strerror(EIO));
}

static void what_was_on_its_way_makes_room_for_the_journal(void **state)
{
    char path[256];
    int fd;

    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=4m") < 0) {
        print_message("a small file system can't be mounted here: %s\n", strerror(errno));
        skip();
    }
    make(A);
    make(A ".part");
    cache_make_room(folder); /* there is room: all stays */
    snprintf(path, sizeof path, "%s/" A ".part/layer", folder);
    assert_int_equal(access(folder, F_OK), 0);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fallocate(fd, 0, 0, 3500 * 1024), 0);
    close(fd);
    assert_int_equal(cache_hold_room(folder), -1);
    assert_int_equal(errno, ENOSPC);
    cache_make_room(folder);
    assert_listed(cache_list(folder), "[\"" A "\"]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_hidden_is_out_of_sight_and_then_removed),
        TEST(bundles_tell_what_lies_below_containers),
        TEST(a_full_cache_says_what_can_be_done),
        TEST(what_was_on_its_way_makes_room_for_the_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
