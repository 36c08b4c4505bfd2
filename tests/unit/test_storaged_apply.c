/* The whole of storaged but its socket, on real disks (loop devices) below a root of the test's own: what becomes of
 * them, and that what isn't ours stays as it is to the byte. Skipped where the machine has no such disks. */

#include "storaged/api.h"
#include "storaged/apply.h"
#include "storaged/mounts.h"
#include "storaged/path.h"
#include "storaged/wanted.h"
#include "tests/unit/loop_disk.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (INT64_C(1) << 20)
#define DISK_BYTES (512 * MIB)
#define SETTLE_MS 20000

static char root[sizeof "/tmp/storaged-test-XXXXXX"];
static const char *missing;
static struct state state;
static int fds[3] = { -1, -1, -1 };
static const char *const names[] = { "vda", "vdb", "vdc" };

/* Each test has a root of its own with three empty disks. */
static int set_up(void **context)
{
    strcpy(root, "/tmp/storaged-test-XXXXXX");
    missing = loop_disk_begin(root);
    for (int i = 0; i < 3 && !missing; i++)
        missing = loop_disk_add(root, names[i], DISK_BYTES, &fds[i]);
    return 0;
}

static void open_state(void)
{
    state = (struct state){ .root = root, .daemon.loop = uv_default_loop() };
}

static void close_all(void)
{
    char path[PATH_BYTES];

    path_under(root, path, "/var/lib/zos");
    umount2(path, MNT_DETACH);
    while (state.count > 0) {
        pool_drop(root, &state.entries[0].pool);
        state_remove(&state, &state.entries[0]);
    }
}

static int tear_down(void **context)
{
    close_all();
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    loop_disk_end(root);
    fds[0] = fds[1] = fds[2] = -1;
    return 0;
}

static void need_machine(void)
{
    if (missing) {
        print_message("skipped: %s\n", missing);
        skip();
    }
}

static bool is_busy(void)
{
    for (size_t i = 0; i < state.count; i++)
        if (state.entries[i].busy)
            return true;
    return false;
}

/* Runs the loop until storaged has settled; then stops its timer and lets the last jobs end. */
static void run(void)
{
    uint64_t begin = uv_hrtime();

    open_state();
    apply_begin(&state);
    while ((!state.settled || is_busy()) && uv_hrtime() - begin < SETTLE_MS * UINT64_C(1000000))
        uv_run(state.daemon.loop, UV_RUN_ONCE);
    assert_true(state.settled);
    uv_close((uv_handle_t *)&state.tick, NULL);
    uv_run(state.daemon.loop, UV_RUN_DEFAULT);
}

/* As after kill -9: what is mounted stays, what was known is gone. */
static void forget(void)
{
    while (state.count > 0)
        state_remove(&state, &state.entries[0]);
}

static void put(int fd, int64_t offset, const char *bytes, size_t size)
{
    assert_int_equal(pwrite(fd, bytes, size, offset), size);
}

/* A checksum (FNV-1a) of all that is on a disk. */
static uint64_t sum(int fd)
{
    static uint64_t buffer[32768];
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (int64_t at = 0; at < DISK_BYTES; at += (int64_t)sizeof buffer) {
        assert_int_equal(pread(fd, buffer, sizeof buffer, at), sizeof buffer);
        for (size_t i = 0; i < sizeof buffer / sizeof *buffer; i++)
            value = (value ^ buffer[i]) * UINT64_C(0x100000001b3);
    }
    return value;
}

static void assert_refused(const char *name, const char *reason)
{
    struct state_entry *entry = state_find(&state, name);

    assert_non_null(entry);
    assert_int_equal(entry->known.stage, PLAN_REFUSED);
    assert_string_equal(entry->reason, reason);
}

static void assert_used(const char *name)
{
    struct state_entry *entry = state_find(&state, name);

    assert_non_null(entry);
    assert_int_equal(entry->known.stage, PLAN_USED);
}

static void empty_disks_become_pools_and_one_gets_the_cache(void **context)
{
    char path[PATH_BYTES], source[PATH_BYTES];

    need_machine();
    run();
    for (int i = 0; i < 3; i++)
        assert_used(names[i]);
    assert_true(state.cache_mounted);
    path_under(root, path, "/var/lib/zos");
    assert_true(mounts_source(path, source));
    assert_int_equal(state_capacity(&state, DISK_SSD) + state_capacity(&state, DISK_HDD),
                     3 * pool_capacity(DISK_BYTES));
}

static void disks_with_data_are_untouched_to_the_byte(void **context)
{
    char table[512] = "";
    uint64_t before[2];

    need_machine();
    memcpy(table + 446, "\0\0\2\0\x83\0\0\0\0\x08\0\0\0\x10\0\0", 16);
    memcpy(table + 510, "\x55\xaa", 2);
    put(fds[0], 0, table, sizeof table);
    put(fds[1], DISK_BYTES - 1, "x", 1);
    before[0] = sum(fds[0]);
    before[1] = sum(fds[1]);
    run();
    assert_refused("vda", "has an MBR partition table");
    assert_refused("vdb", "holds data of an unknown kind in its last MiB");
    assert_used("vdc");
    assert_true(before[0] == sum(fds[0]) && before[1] == sum(fds[1]));
}

static void pools_volumes_and_cache_are_found_again_after_a_kill_and_after_a_reboot(void **context)
{
    struct state_entry *entry;
    struct reason reason = { 0 };
    struct volume *volume;
    char path[PATH_BYTES];
    struct stat status;

    need_machine();
    run();
    assert_int_equal(state_make_volume(&state, "data", 16 * MIB, state.entries[0].pool.media, &volume, &entry, &reason),
                     0);
    path_under(root, path, "/var/lib/zos/journal");
    assert_int_equal(file_write(path, "x", 1, 0600), 0);

    forget();
    run();
    assert_true(state.cache_mounted);
    assert_non_null(state_find_volume(&state, "data", &entry));

    close_all();
    assert_int_equal(stat(path, &status), -1);
    usleep(300000); /* a lazy unmount's last word */
    run();
    assert_int_equal(stat(path, &status), 0);
    assert_non_null(state_find_volume(&state, "data", &entry));
    assert_int_equal(entry->pool.volume_count, 1);
}

static void nothing_is_claimed_when_the_settings_say_so(void **context)
{
    static const char settings[] = "{\"storage\":{\"claim\":\"none\"}}";
    char path[PATH_BYTES];
    uint64_t before;

    need_machine();
    before = sum(fds[0]);
    path_under(root, path, "/etc/zos");
    file_make_folders(path, 0755);
    path_under(root, path, "/etc/zos/node.json");
    file_write(path, settings, strlen(settings), 0600);
    run();
    for (int i = 0; i < 3; i++)
        assert_refused(names[i], "is empty, but the settings say to claim none");
    assert_false(state.cache_mounted);
    assert_true(before == sum(fds[0]));
}

static void a_disk_that_vanishes_is_let_go_and_one_that_appears_is_used(void **context)
{
    char path[PATH_BYTES], elsewhere[PATH_BYTES];

    need_machine();
    path_under(root, path, "/sys/block/vdc");
    path_under(root, elsewhere, "/vdc");
    assert_int_equal(rename(path, elsewhere), 0);
    run();
    assert_null(state_find(&state, "vdc"));
    assert_int_equal(rename(elsewhere, path), 0);
    apply_scan(&state);
    uv_run(state.daemon.loop, UV_RUN_DEFAULT);
    assert_used("vdc");
    assert_int_equal(rename(path, elsewhere), 0);
    apply_scan(&state);
    assert_null(state_find(&state, "vdc"));
    assert_int_equal(rename(elsewhere, path), 0);
    apply_scan(&state);
    uv_run(state.daemon.loop, UV_RUN_DEFAULT);
    assert_used("vdc");
}

static void the_setting_claim_is_understood_or_claims_nothing(void **context)
{
    static const struct {
        const char *text;
        bool claim_empty;
    } rows[] = {
        { "null", true },
        { "{}", true },
        { "{\"claim\":\"empty\"}", true },
        { "{\"claim\":\"none\"}", false },
        { "{\"claim\":\"nnoe\"}", false },
        { "{\"claim\":1}", false },
        { "{\"unknown\":1}", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *storage = cJSON_Parse(rows[i].text);
        assert_int_equal(wanted_from_json(storage).claim_empty, rows[i].claim_empty);
        cJSON_Delete(storage);
    }
}

static int ask(const char *request)
{
    cleanup_free char *reply = NULL;
    cleanup_json cJSON *answer = NULL;

    rpc_dispatch(API_METHODS, &state, request, strlen(request), &reply);
    answer = cJSON_Parse(reply);
    return (int)json_integer(json_member(answer, "error"), "code");
}

/* A provisiond that asks a storaged which has just begun (its predecessor was killed) must not take a volume for gone.
 */
static void before_the_first_scan_no_volume_is_said_not_to_be_there(void **context)
{
    static const char *const requests[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"volume.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"volume.get\",\"params\":{\"name\":\"data\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"volume.delete\",\"params\":{\"name\":\"data\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"volume.create\",\"params\":{\"name\":\"data\","
        "\"size_bytes\":16777216,\"media\":\"ssd\"}}",
    };

    open_state();
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        assert_int_equal(ask(requests[i]), RPC_NOT_YET);
    state.settled = true;
    assert_int_equal(ask(requests[0]), 0);
    assert_int_equal(ask(requests[1]), RPC_REFUSED);
    assert_int_equal(ask(requests[2]), 0);
    state.settled = false;
}

#define ON_DISKS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_setting_claim_is_understood_or_claims_nothing),
        cmocka_unit_test(before_the_first_scan_no_volume_is_said_not_to_be_there),
        ON_DISKS(empty_disks_become_pools_and_one_gets_the_cache),
        ON_DISKS(disks_with_data_are_untouched_to_the_byte),
        ON_DISKS(pools_volumes_and_cache_are_found_again_after_a_kill_and_after_a_reboot),
        ON_DISKS(nothing_is_claimed_when_the_settings_say_so),
        ON_DISKS(a_disk_that_vanishes_is_let_go_and_one_that_appears_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
