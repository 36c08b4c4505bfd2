/* A node keeps its identity as long as one copy of its key is left; and what the machine says of itself. */

#include "lib/file.h"
#include "provisiond/identity.h"
#include "provisiond/machine.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static cJSON *pools;

static const char *place(const char *folder)
{
    static char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s%s/node.key", root, folder);
    return path;
}

/* Loads the key, and gives its id. */
static const char *load(bool on_disk)
{
    static char id[2][ID_TEXT_BYTES];
    static int next;
    struct paths paths;
    struct key *key;

    paths_set(&paths, root, on_disk);
    assert_int_equal(identity_load(&paths, on_disk ? pools : NULL, &key), 0);
    next = !next;
    strcpy(id[next], key_id(key));
    key_free(key);
    return id[next];
}

static void a_key_is_made_once_and_copied_to_every_pool(void **state)
{
    const char *id = load(true);
    struct stat status;

    assert_int_equal(stat(place("/var/lib/zos"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(place("/mnt/a/identity"), &status), 0);
    assert_int_equal(stat(place("/mnt/b/identity"), &status), 0);
    assert_string_equal(load(true), id);
}

static void any_copy_is_enough_and_brings_the_others_back(void **state)
{
    static const char *const PLACES[] = { "/var/lib/zos", "/mnt/a/identity", "/mnt/b/identity" };
    char id[ID_TEXT_BYTES];

    strcpy(id, load(true));
    for (size_t keep = 0; keep < 3; keep++) {
        for (size_t i = 0; i < 3; i++)
            if (i != keep)
                assert_int_equal(unlink(place(PLACES[i])), 0);
        assert_string_equal(load(true), id);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(access(place(PLACES[i]), F_OK), 0);
    }
}

static void a_broken_copy_is_passed_over_and_left_alone(void **state)
{
    char id[ID_TEXT_BYTES], *text;

    strcpy(id, load(true));
    assert_int_equal(file_write(place("/var/lib/zos"), "garbage", 7, 0600), 0);
    assert_string_equal(load(true), id);
    assert_int_equal(file_read(place("/var/lib/zos"), 100, &text, NULL), 0);
    assert_string_equal(text, "garbage");
    free(text);
}

static void a_disk_with_another_nodes_key_keeps_it(void **state)
{
    char mine[ID_TEXT_BYTES];
    struct key *other, *found;

    strcpy(mine, load(true));
    assert_int_equal(unlink(place("/mnt/b/identity")), 0);
    assert_int_equal(key_generate(&other), 0);
    assert_int_equal(key_save(other, place("/mnt/b/identity")), 0);
    assert_string_equal(load(true), mine);
    assert_int_equal(key_load(place("/mnt/b/identity"), 0, &found), 0);
    assert_string_equal(key_id(found), key_id(other));
    key_free(found);
    key_free(other);
}

static void without_a_disk_the_key_lives_in_memory_until_one_comes(void **state)
{
    char id[ID_TEXT_BYTES];

    strcpy(id, load(false));
    assert_int_equal(access(place("/var/lib/zos"), F_OK), -1);
    assert_string_equal(load(false), id);
    assert_false(identity_on_disk(root, pools));
    assert_string_equal(load(true), id);
    assert_true(identity_on_disk(root, pools));
}

static int put(const char *name, const char *text)
{
    char path[PATH_BYTES], *slash;

    snprintf(path, sizeof path, "%s%s", root, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    file_make_folders(path, 0755);
    *slash = '/';
    return file_write(path, text, strlen(text), 0644);
}

static void a_machine_says_what_it_is(void **state)
{
    struct machine machine;
    uint64_t busy = 0, total = 0;

    put("/proc/cpuinfo", "processor\t: 0\nmodel name\t:  Some  CPU \nprocessor\t: 1\nmodel name\t: Other\n");
    put("/proc/meminfo", "MemTotal:        1048576 kB\nMemFree: 1 kB\nMemAvailable:    524288 kB\n");
    put("/proc/stat", "cpu  100 0 100 800 0 0 0 0\n");
    put("/sys/class/dmi/id/sys_vendor", "  Vend\x01or \n");
    machine_read(root, &machine);
    assert_int_equal(machine.cru_milli, 2000);
    assert_string_equal(machine.cpu, "Some  CPU");
    assert_string_equal(machine.vendor, "Vendor");
    assert_string_equal(machine.product, "");
    assert_int_equal(machine.mru_bytes, (1ll << 30) - MACHINE_RESERVE_BYTES - (1ll << 30) / MACHINE_RESERVE_SHARE);
    machine_used(root, machine.cru_milli, &busy, &total);
    put("/proc/stat", "cpu  150 0 150 900 0 0 0 0\n");
    assert_int_equal(machine_used(root, machine.cru_milli, &busy, &total).cru_milli, 1000);
    assert_int_equal(machine_used(root, machine.cru_milli, &busy, &total).mru_bytes, 1ll << 29);
    assert_int_equal(machine_offered_bytes(1 << 20), 0);
}

static int set_up(void **state)
{
    strcpy(root, "/tmp/test-identity-XXXXXX");
    pools = cJSON_Parse("[{\"label\":\"a\",\"mounted_at\":\"/mnt/a\"},{\"label\":\"b\",\"mounted_at\":\"/mnt/b\"}]");
    return sodium_init() < 0 || !mkdtemp(root) || !pools ? -1 : 0;
}

static int tear_down(void **state)
{
    cJSON_Delete(pools);
    return file_remove_tree(root);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_made_once_and_copied_to_every_pool),
        TEST(any_copy_is_enough_and_brings_the_others_back),
        TEST(a_broken_copy_is_passed_over_and_left_alone),
        TEST(a_disk_with_another_nodes_key_keeps_it),
        TEST(without_a_disk_the_key_lives_in_memory_until_one_comes),
        TEST(a_machine_says_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
