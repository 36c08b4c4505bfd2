/* Units: what zinit's YAML says, and what is said about YAML that is wrong. */

#include "zinit/unit.h"
#include "zinit/words.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/capability.h>

#include <cmocka.h>

static char warnings[4096], errors[4096];

static void on_tale(void *context, enum unit_tale tale, const char *text)
{
    char *all = tale == UNIT_WARNING ? warnings : errors;

    strncat(all, text, sizeof warnings - strlen(all) - 2);
    strcat(all, "\n");
}

static int parse(const char *text, struct unit *unit, struct reason *reason)
{
    warnings[0] = errors[0] = '\0';
    return unit_parse("web", "web.yaml", text, strlen(text), unit, on_tale, NULL, reason);
}

static void refuses(const char *text, const char *expected)
{
    struct unit unit;
    struct reason reason = { "" };

    assert_int_equal(parse(text, &unit, &reason), REFUSED);
    if (!strstr(reason.text, expected))
        fail_msg("\"%s\" doesn't contain \"%s\"", reason.text, expected);
}

static void the_least_unit_has_zinits_defaults(void **state)
{
    struct unit unit;

    assert_int_equal(parse("exec: /bin/web\n", &unit, NULL), 0);
    assert_string_equal(unit.name, "web");
    assert_string_equal(unit.exec[0], "/bin/web");
    assert_null(unit.exec[1]);
    assert_int_equal(unit.stop_signal, SIGTERM);
    assert_int_equal(unit.shutdown_timeout_ms, 10000);
    assert_int_equal(unit.log, UNIT_LOG_RING);
    assert_int_equal(unit.restart, MACHINE_RESTART_ALWAYS);
    assert_false(unit.oneshot || unit.ready || unit.after || unit.env || unit.test || unit.dir);
    assert_null(unit.health.exec);
    assert_null(unit.user);
    assert_false(unit.capabilities_given);
    assert_false(unit.critical || unit.no_new_privs || unit.read_only);
    assert_string_equal(warnings, "");
    unit_close(&unit);
}

static void every_key_is_read(void **state)
{
    static const char text[] = "exec: |\n  /bin/web --port 80\n  'two words'\n"
                               "test: /bin/probe\noneshot: no\nafter: [netd, storaged]\n"
                               "signal:\n  stop: usr1\nlog: null\nenv:\n  A: b c\n  N: 5\ndir: /tmp\n"
                               "shutdown_timeout: 3\nrestart: on-failure\n"
                               "limits: {memory_bytes: 1048576, cpu_milli: 500, pids: 32, nofile: 64}\n"
                               "health: {exec: '/bin/probe -q', every_s: 5, failures: 2}\ncritical: true\n"
                               "user: web:www\ncapabilities: [CAP_NET_BIND_SERVICE, chown]\nno_new_privs: yes\n"
                               "read_only: true\nwritable:\n  - /run/web\n";
    struct unit unit;

    assert_int_equal(parse(text, &unit, NULL), 0);
    assert_int_equal(words_count(unit.exec), 4);
    assert_string_equal(unit.exec[3], "two words");
    assert_string_equal(unit.test[0], "/bin/probe");
    assert_string_equal(unit.after[1], "storaged");
    assert_int_equal(unit.stop_signal, SIGUSR1);
    assert_int_equal(unit.log, UNIT_LOG_NONE);
    assert_string_equal(unit.env[0], "A=b c");
    assert_string_equal(unit.env[1], "N=5");
    assert_string_equal(unit.dir, "/tmp");
    assert_int_equal(unit.shutdown_timeout_ms, 3000);
    assert_int_equal(unit.restart, MACHINE_RESTART_ON_FAILURE);
    assert_int_equal(unit.limits.memory_bytes, 1048576);
    assert_int_equal(unit.limits.cpu_milli, 500);
    assert_int_equal(unit.limits.pids, 32);
    assert_int_equal(unit.limits.nofile, 64);
    assert_string_equal(unit.health.exec[1], "-q");
    assert_int_equal(unit.health.every_ms, 5000);
    assert_int_equal(unit.health.failures, 2);
    assert_string_equal(unit.user, "web:www");
    assert_int_equal(unit.capabilities, 1 << CAP_NET_BIND_SERVICE | 1 << CAP_CHOWN);
    assert_string_equal(unit.writable[0], "/run/web");
    assert_true(unit.critical && unit.no_new_privs && unit.read_only);
    assert_string_equal(warnings, "");
    unit_close(&unit);
}

static void a_oneshot_isnt_restarted_unless_told(void **state)
{
    struct unit unit;

    assert_int_equal(parse("exec: a\noneshot: true\n", &unit, NULL), 0);
    assert_int_equal(unit.restart, MACHINE_RESTART_NEVER);
    unit_close(&unit);
    assert_int_equal(parse("restart: on-failure\nexec: a\noneshot: true\n", &unit, NULL), 0);
    assert_int_equal(unit.restart, MACHINE_RESTART_ON_FAILURE);
    unit_close(&unit);
}

static void json_is_read_too(void **state)
{
    struct unit unit;

    assert_int_equal(
        parse("{\"exec\":\"/bin/web \\\"a b\\\"\",\"env\":{\"A\":\"x\\u00e9\"},\"ready\":\"fd\"}", &unit, NULL), 0);
    assert_string_equal(unit.exec[1], "a b");
    assert_string_equal(unit.env[0], "A=x\xc3\xa9");
    assert_int_equal(unit.ready, UNIT_READY_FD);
    unit_close(&unit);
}

static void unknown_keys_are_warned_of_with_file_and_line(void **state)
{
    struct unit unit;

    assert_int_equal(parse("exec: a\n\ncolour: red\nlimits:\n  files: 3\n", &unit, NULL), 0);
    assert_non_null(strstr(warnings, "web.yaml:3: unknown key colour"));
    assert_non_null(strstr(warnings, "web.yaml:5: unknown key limits.files"));
    unit_close(&unit);
}

static void wrong_units_are_refused_with_place_and_remedy(void **state)
{
    struct unit unit;
    struct reason reason;

    refuses("", "web.yaml:1: unit: must be a mapping");
    refuses("- a\n", "must be a mapping");
    refuses("oneshot: true\n", "web.yaml:1: exec: is missing");
    refuses("exec: a\n\tb: c\n", "web.yaml:2: isn't YAML");
    refuses("exec: [a, b]\n", "web.yaml:1: exec: must be one text");
    refuses("exec: ''\n", "exec: is missing");
    refuses("exec: \"a 'b\"\n", "left open");
    refuses("exec: a\nsignal:\n  stop: SIGNOTHING\n", "web.yaml:3: signal.stop: must be a signal's name");
    refuses("exec: a\noneshot: perhaps\n", "web.yaml:2: oneshot: must be true or false");
    refuses("exec: a\nlog: file\n", "must be ring, none, null or stdout");
    refuses("exec: a\nrestart: sometimes\n", "must be always, on-failure or never");
    refuses("exec: a\nafter: {a: b}\n", "must be a list");
    refuses("exec: a\nafter: [../b]\n", "isn't the name of a service");
    refuses("exec: a\nenv: [A]\n", "must be a mapping");
    refuses("exec: a\nenv:\n  A: [b]\n", "one text");
    refuses("exec: a\nshutdown_timeout: -1\n", "whole number");
    refuses("exec: a\nlimits:\n  pids: many\n", "web.yaml:3: limits.pids: must be a whole number");
    refuses("exec: a\nexec: b\n", "web.yaml:2: exec: stands there twice");
    refuses("exec: a\nready: fd\ntest: b\n", "exclude each other");
    refuses("exec: *nowhere\n", "isn't YAML");
    refuses("exec: a\n\tb: c\n", "indent with spaces, not with a tab");
    refuses("exec: a\n---\nexec: b\n", "web.yaml:3: a second document");
    refuses("exec: a\nhealth: {every_s: 5}\n", "web.yaml:2: health: exec is missing in it");
    refuses("exec: a\nhealth:\n  exec: b\n  every_s: 0\n", "web.yaml:4: health.every_s: must be a whole number from 1");
    refuses("exec: a\nuser: 'a b'\n", "web.yaml:2: user: must be");
    refuses("exec: a\nuser: ':b'\n", "user: must be");
    refuses("exec: a\nuser: 'a:'\n", "user: must be");
    refuses("exec: a\nuser: 'a:b:c'\n", "user: must be");
    refuses("exec: a\ncapabilities: [NET_BIND]\n", "web.yaml:2: capabilities: must be capabilities' names");
    refuses("exec: a\nread_only: true\nwritable: [run]\n", "web.yaml:3: writable: must be absolute");
    refuses("exec: a\nwritable: [/run]\n", "writable: means nothing without read_only");
    refuses("exec: a\nenv: {A: b, A: c}\n", "web.yaml:2: A: stands there twice");
    assert_int_equal(unit_parse("../x", "x.yaml", "exec: a", 7, &unit, NULL, NULL, &reason), REFUSED);
}

static void all_that_is_wrong_is_told_not_the_first_only(void **state)
{
    struct unit unit;
    struct reason reason = { "" };

    assert_int_equal(parse("exec: 'a\"'\ncolour: red\noneshot: perhaps\nafter: [../a, b, /c]\n"
                           "limits:\n  pids: many\n  nofile: -1\n",
                           &unit, &reason),
                     REFUSED);
    assert_non_null(strstr(reason.text, "web.yaml:1: exec: a quote"));
    assert_non_null(strstr(errors, "web.yaml:1: exec: a quote"));
    assert_non_null(strstr(errors, "web.yaml:3: oneshot"));
    assert_non_null(strstr(errors, "web.yaml:4: after"));
    assert_non_null(strstr(errors, "web.yaml:6: limits.pids"));
    assert_non_null(strstr(errors, "web.yaml:7: limits.nofile"));
    assert_non_null(strstr(warnings, "web.yaml:2: unknown key colour"));
}

static void nothing_behind_a_key_is_as_if_it_werent_there(void **state)
{
    struct unit unit;

    assert_int_equal(parse("exec: a\ntest: ''\nafter:\nenv:\ndir: ''\nsignal: {}\ncapabilities: []\n", &unit, NULL), 0);
    assert_null(unit.test);
    assert_null(unit.after);
    assert_null(unit.env);
    assert_null(unit.dir);
    assert_int_equal(unit.stop_signal, SIGTERM);
    assert_true(unit.capabilities_given && unit.capabilities == 0); /* but for this one: it keeps none */
    unit_close(&unit);
}

static void a_missing_or_giant_file_is_refused(void **state)
{
    struct unit unit;
    struct reason reason = { "" };

    assert_int_equal(unit_load("/nonexistent", "web", &unit, NULL, NULL, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "/nonexistent/web.yaml: No such file"));
    assert_int_equal(unit_load("/etc", "../passwd", &unit, NULL, NULL, &reason), REFUSED);
}

static void ten_megabytes_of_yaml_are_refused_unread(void **state)
{
    char dir[] = "/tmp/zinit-unit-XXXXXX", path[64];
    struct unit unit;
    struct reason reason = { "" };

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/big.yaml", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000000; i++)
        fputs("key: value", file);
    fclose(file);
    assert_int_equal(unit_load(dir, "big", &unit, on_tale, NULL, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "big.yaml: is larger than 65536 bytes"));
    unlink(path);
    rmdir(dir);
}

static void words_are_split_as_a_shell_would(void **state)
{
    static const struct {
        const char *text, *words[6];
    } cases[] = {
        { "", { NULL } },
        { " \n\t ", { NULL } },
        { "a b  c", { "a", "b", "c" } },
        { "a\\ b 'c d' \"e f\"", { "a b", "c d", "e f" } },
        { "a'b'\"c\"d", { "abcd" } },
        { "'' \"\"", { "", "" } },
        { "\"a\\\"b\\$c\\d\"", { "a\"b$c\\d" } },
        { "'a\\b'", { "a\\b" } },
        { "a # rest\nb#c", { "a", "b#c" } },
        { "a \\\nb", { "a", "b" } },
        { "sh -c 'echo $HOME; exit 1'", { "sh", "-c", "echo $HOME; exit 1" } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char **words;
        size_t count = 0;
        assert_int_equal(words_split(cases[i].text, &words, NULL), 0);
        for (; cases[i].words[count]; count++)
            assert_string_equal(words[count], cases[i].words[count]);
        assert_null(words[count]);
        words_free(words);
    }
}

static void open_quotes_are_refused(void **state)
{
    static const char *const texts[] = { "'a", "\"a", "a 'b c", "a\\", "\"a\\\"" };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char **words;
        assert_int_equal(words_split(texts[i], &words, NULL), REFUSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_unit_has_zinits_defaults),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_oneshot_isnt_restarted_unless_told),
        cmocka_unit_test(json_is_read_too),
        cmocka_unit_test(unknown_keys_are_warned_of_with_file_and_line),
        cmocka_unit_test(wrong_units_are_refused_with_place_and_remedy),
        cmocka_unit_test(all_that_is_wrong_is_told_not_the_first_only),
        cmocka_unit_test(nothing_behind_a_key_is_as_if_it_werent_there),
        cmocka_unit_test(a_missing_or_giant_file_is_refused),
        cmocka_unit_test(ten_megabytes_of_yaml_are_refused_unread),
        cmocka_unit_test(words_are_split_as_a_shell_would),
        cmocka_unit_test(open_quotes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
