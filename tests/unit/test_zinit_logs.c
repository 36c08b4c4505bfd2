/* Lines of services as the consoles show them. */

#include "zinit/logs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop loop;
static struct screen screen;
static struct logs logs = { .loop = &loop, .screen = &screen };
static int console;

/* A screen whose one line is a pipe. */
static int open_screen(void **state)
{
    int ends[2], output = dup(STDOUT_FILENO);

    if (output < 0 || pipe(ends) < 0 || loop_open(&loop) < 0)
        return -1;
    dup2(ends[1], STDOUT_FILENO);
    screen_open(&screen, &loop, false);
    dup2(output, STDOUT_FILENO);
    close(ends[1]);
    close(output);
    console = ends[0];
    return 0;
}

static int close_screen(void **state)
{
    close(console);
    loop_remove(&loop, &screen.lines[0].source);
    loop_close(&loop);
    return 0;
}

static void shows(const char *name, bool plain, const char *text, const char *expected)
{
    struct log_stream stream;
    char shown[512] = "";
    ssize_t size;

    logs_open(&stream, name, &logs);
    stream.plain = plain;
    logs_add(&stream, text, strlen(text));
    size = read(console, shown, sizeof shown - 1);
    shown[size > 0 ? size : 0] = '\0';
    assert_string_equal(shown, expected);
    logs_close(&stream);
}

static void a_line_is_shown_with_its_name_once(void **state)
{
    shows("netd", false, "eth0: leased", "[netd] eth0: leased\n");
    shows("netd", false, "<6>netd: firewall stands", "netd: firewall stands\n");
    shows("netd", false, "netdata: no", "[netd] netdata: no\n");
    shows("netd", false, "netd:", "[netd] netd:\n");
    shows("netd", false, "", "[netd] \n");
    shows("netd", true, "as it is", "as it is\n");
}

static void nobody_passes_for_another(void **state)
{
    shows("c-1-web", false, "storaged: disk vda: added", "[c-1-web] storaged: disk vda: added\n");
}

static void warnings_and_errors_say_so(void **state)
{
    shows("netd", false, "<4>netd: no cable", "warning netd: no cable\n");
    shows("netd", false, "<3>no cable", "error [netd] no cable\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    shows("netd", false, "a\x1b[2Jb\x7f\xff", "[netd] a?[2Jb??\n");
}

/* ---- sinks */

struct counter {
    struct log_sink sink;
    unsigned lines;
    struct log_sink *removes; /* this one, when it gets a line */
    char last[64];
};

static void on_line(struct log_sink *sink, const struct log_stream *stream, const struct ring_line *line,
                    const char *text)
{
    struct counter *counter = (struct counter *)sink;

    counter->lines++;
    assert_int_equal(line->size, strlen(text));
    snprintf(counter->last, sizeof counter->last, "%s %d %s", stream->name, line->level, text);
    if (counter->removes)
        logs_remove_sink(stream->logs, counter->removes);
}

static void a_sink_is_given_each_line_and_may_remove_any(void **state)
{
    struct counter a = { .sink.on_line = on_line }, b = a, c = a;
    struct log_stream stream;

    logs_open(&stream, "netd", &logs);
    logs_add_sink(&logs, &a.sink);
    logs_add_sink(&logs, &b.sink);
    logs_add_sink(&logs, &c.sink); /* is given lines first */
    logs_add(&stream, "<4>one\r", 7);
    assert_string_equal(a.last, "netd 4 one");
    c.removes = &b.sink;
    logs_add(&stream, "two", 3);
    c.removes = NULL;
    a.removes = &a.sink;
    logs_add(&stream, "three", 5);
    logs_add(&stream, "four", 4);
    assert_int_equal(a.lines, 3);
    assert_int_equal(b.lines, 1);
    assert_int_equal(c.lines, 4);
    assert_string_equal(c.last, "netd 6 four");
    logs_remove_sink(&logs, &c.sink);
    logs_remove_sink(&logs, &c.sink);
    assert_null(logs.sinks);
    logs_close(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_shown_with_its_name_once),
        cmocka_unit_test(nobody_passes_for_another),
        cmocka_unit_test(warnings_and_errors_say_so),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(a_sink_is_given_each_line_and_may_remove_any),
    };

    return cmocka_run_group_tests(tests, open_screen, close_screen);
}
