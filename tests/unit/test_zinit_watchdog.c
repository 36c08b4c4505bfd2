/* Which watchdog is chosen, by trees like the kernel's, and how its setting is read. */

#include "zinit/watchdog.h"

#include "lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64], class[96], dev[96];

static int begin(void **state)
{
    strcpy(top, "/tmp/zinit-watchdog-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(class, sizeof class, "%s/class", top);
    snprintf(dev, sizeof dev, "%s/dev", top);
    return file_make_folders(class, 0700) < 0 || file_make_folders(dev, 0700) < 0 ? -1 : 0;
}

static int end(void **state)
{
    return file_remove_tree(top);
}

static void has_device(const char *name)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", dev, name);
    assert_int_equal(file_write(path, "", 0, 0600), 0);
}

/* As in /sys/class: a link into /sys/devices, which is there. */
static void has_class(const char *name, const char *below)
{
    char path[160], target[160];

    snprintf(target, sizeof target, "%s/devices/%s/watchdog/%s", top, below, name);
    assert_int_equal(file_make_folders(target, 0700), 0);
    snprintf(path, sizeof path, "%s/%s", class, name);
    assert_int_equal(symlink(target, path), 0);
    has_device(name);
}

static void chooses(const char *name)
{
    char path[WATCHDOG_PATH_BYTES] = "untouched", wanted[160];

    assert_true(watchdog_choose(class, dev, path));
    snprintf(wanted, sizeof wanted, "%s/%s", dev, name);
    assert_string_equal(path, wanted);
}

static void none_is_there(void **state)
{
    char path[WATCHDOG_PATH_BYTES];

    assert_false(watchdog_choose(class, dev, path));
    assert_false(watchdog_choose("/nonexistent", "/nonexistent", path));
}

static void softdog_is_better_than_none(void **state)
{
    has_device("watchdog");
    has_class("watchdog0", "virtual");
    chooses("watchdog0");
}

static void hardware_comes_before_softdog(void **state)
{
    has_device("watchdog");
    has_class("watchdog0", "virtual");
    has_class("watchdog1", "pci0000:00/0000:00:04.0");
    chooses("watchdog1");
}

static void a_device_of_the_older_kind_is_hardware(void **state)
{
    has_device("watchdog");
    has_class("watchdog1", "virtual");
    chooses("watchdog");
}

static void what_has_no_node_in_dev_is_not_there(void **state)
{
    char path[160];

    has_class("watchdog0", "virtual");
    has_class("watchdog1", "platform/iTCO_wdt");
    snprintf(path, sizeof path, "%s/watchdog1", dev);
    assert_int_equal(unlink(path), 0);
    chooses("watchdog0");
}

static void its_setting_is_one_number_or_two(void **state)
{
    static const struct {
        const char *text;
        bool good;
        unsigned timeout_s, grace_s;
    } cases[] = {
        { "0", true, 0, 8 },
        { "60", true, 60, 8 },
        { "4,5", true, 4, 5 },
        { "65535,65535", true, 65535, 65535 },
        { "", false, 7, 8 },
        { "x", false, 7, 8 },
        { "-1", false, 7, 8 },
        { "60,", false, 7, 8 },
        { "60,1x", false, 7, 8 },
        { "65536", false, 7, 8 },
        { "99999999999999999999", false, 7, 8 },
        { "1,2,3", false, 7, 8 },
        { " 1", false, 7, 8 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned timeout_s = 7, grace_s = 8;
        assert_int_equal(watchdog_parse(cases[i].text, &timeout_s, &grace_s), cases[i].good);
        assert_int_equal(timeout_s, cases[i].timeout_s);
        assert_int_equal(grace_s, cases[i].grace_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(none_is_there, begin, end),
        cmocka_unit_test_setup_teardown(softdog_is_better_than_none, begin, end),
        cmocka_unit_test_setup_teardown(hardware_comes_before_softdog, begin, end),
        cmocka_unit_test_setup_teardown(a_device_of_the_older_kind_is_hardware, begin, end),
        cmocka_unit_test_setup_teardown(what_has_no_node_in_dev_is_not_there, begin, end),
        cmocka_unit_test(its_setting_is_one_number_or_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
