/* Whose a new volume becomes. Needs root, since it gives folders away; without, its tests are skipped. */

#include "lib/file.h"
#include "provisiond/owner.h"

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

static char folder[64], volume[96];
static int rootfs = -1;
static const struct user USER = { 1000, 1001 };

static void in_image(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
    assert_int_equal(mkdirat(rootfs, path, 0700), 0);
    assert_int_equal(fchmodat(rootfs, path, mode, 0), 0);
    assert_int_equal(fchownat(rootfs, path, uid, gid, 0), 0);
}

static int set_up(void **state)
{
    char path[96];

    snprintf(folder, sizeof folder, "/tmp/test_owner.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(volume, sizeof volume, "%s/volume", folder);
    snprintf(path, sizeof path, "%s/rootfs", folder);
    if (mkdir(volume, 0755) < 0 || mkdir(path, 0755) < 0)
        return -1;
    rootfs = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return rootfs < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    close(rootfs);
    return file_remove_tree(folder);
}

static void give(const char *target)
{
    struct reason reason = { 0 };

    if (geteuid() != 0)
        skip();
    if (owner_give(volume, rootfs, target, &USER, &reason) != 0)
        fail_msg("%s", reason.text);
}

static void assert_is(mode_t mode, uid_t uid, gid_t gid)
{
    struct stat status;

    assert_int_equal(stat(volume, &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
    assert_int_equal(status.st_uid, uid);
    assert_int_equal(status.st_gid, gid);
}

static void a_new_volume_is_like_the_folder_in_the_image(void **state)
{
    if (geteuid() != 0)
        skip();
    in_image("data", 02750, 70, 71);
    give("/data");
    assert_is(02750, 70, 71);
}

static void without_such_a_folder_it_is_the_containers_users(void **state)
{
    give("/nothing/here");
    assert_is(0755, 1000, 1001);
}

static void a_file_in_the_folders_place_doesnt_count(void **state)
{
    int fd = openat(rootfs, "data", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    give("/data");
    assert_is(0755, 1000, 1001);
}

static void it_is_given_only_once(void **state)
{
    give("/data");
    assert_is(0755, 1000, 1001);
    in_image("data", 0700, 70, 71);
    give("/data");
    assert_is(0755, 1000, 1001);
    /* Nor when its user has made it root's again, and it is empty. */
    assert_int_equal(chown(volume, 0, 0), 0);
    assert_int_equal(chmod(volume, 0711), 0);
    give("/data");
    assert_is(0711, 0, 0);
}

static void what_holds_something_stays_as_it_is(void **state)
{
    char path[128];

    snprintf(path, sizeof path, "%s/file", volume);
    assert_int_equal(file_write(path, "x", 1, 0600), 0);
    give("/data");
    assert_is(0755, 0, 0);
}

static void what_somebody_owns_stays_as_it_is(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(volume, 5, 5), 0);
    in_image("data", 0700, 70, 71);
    give("/data");
    assert_is(0755, 5, 5);
}

static void a_symbolic_link_leads_nowhere_but_into_the_image(void **state)
{
    char outside[96];

    if (geteuid() != 0)
        skip();
    snprintf(outside, sizeof outside, "%s/outside", folder);
    assert_int_equal(mkdir(outside, 0777), 0);
    assert_int_equal(chmod(outside, 0777), 0);
    assert_int_equal(chown(outside, 66, 66), 0);
    assert_int_equal(symlinkat(outside, rootfs, "data"), 0);
    assert_int_equal(symlinkat("../../../outside", rootfs, "up"), 0);
    give("/data");
    assert_is(0755, 1000, 1001);
}

static void links_inside_the_image_are_followed(void **state)
{
    if (geteuid() != 0)
        skip();
    in_image("srv", 0770, 33, 34);
    assert_int_equal(symlinkat("/srv", rootfs, "data"), 0);
    give("/data");
    assert_is(0770, 33, 34);
}

static void a_volume_that_isnt_there_is_refused(void **state)
{
    struct reason reason = { 0 };

    assert_int_equal(owner_give("/nowhere/at/all", rootfs, "/data", &USER, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "volume"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_volume_is_like_the_folder_in_the_image),
        TEST(without_such_a_folder_it_is_the_containers_users),
        TEST(a_file_in_the_folders_place_doesnt_count),
        TEST(it_is_given_only_once),
        TEST(what_holds_something_stays_as_it_is),
        TEST(what_somebody_owns_stays_as_it_is),
        TEST(a_symbolic_link_leads_nowhere_but_into_the_image),
        TEST(links_inside_the_image_are_followed),
        TEST(a_volume_that_isnt_there_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
