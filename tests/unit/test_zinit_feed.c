/* Lines on their way from the rings to the process that writes them to the disk. */

#include "zinit/feed.h"

#include "lib/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop loop;
static struct screen screen; /* of no line */
static struct logs logs;
static struct children children;
static struct log_stream stream;
static struct feed feed;
static char folder[64], path[80], command[256];
static char shell[] = "/bin/sh", option[] = "-c";
static char *writer[] = { shell, option, command, NULL };

static int begin(void **state)
{
    strcpy(folder, "/tmp/zinit-feed-XXXXXX");
    if (!mkdtemp(folder) || loop_open(&loop) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/lines", folder);
    logs_start(&logs, &loop, &screen);
    logs_open(&stream, "s", &logs);
    stream.silent = true;
    return 0;
}

static int end(void **state)
{
    feed_close(&feed, 0);
    logs_close(&stream);
    loop_close(&loop);
    return file_remove_tree(folder);
}

static void add_number(unsigned number)
{
    char text[80];

    logs_add(&stream, text,
             (size_t)snprintf(text, sizeof text, "%u and what makes a line long enough to fill a pipe", number));
}

static void open_feed(const char *shell_command)
{
    static char out[100], *env[] = { out, NULL };

    snprintf(out, sizeof out, "OUT=%s", path);
    snprintf(command, sizeof command, "%s", shell_command);
    assert_int_equal(feed_open(&feed, &logs, &children, writer, env), 0);
}

/* Turns the loop until `ms` are over. */
static void on_over(struct loop_timer *timer)
{
    loop_end(&loop);
}

static void turn(unsigned ms)
{
    struct loop_timer over = { .on_fire = on_over };

    loop.ended = false;
    loop_arm(&loop, &over, ms);
    loop_run(&loop);
}

static const char *written(void)
{
    static char *text;

    free(text);
    text = NULL;
    if (file_read(path, 64 << 20, &text, NULL))
        return "";
    return text;
}

/* The numbers of all lines, in order, with what was left out counted; how many lines there are. */
static unsigned check_numbers(const char *text, unsigned total)
{
    unsigned expected = 1, lines = 0, left_out;

    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        const char *said = strstr(line, ": ");
        assert_non_null(said);
        if (sscanf(said, ": (%u lines left out here)", &left_out) == 1) {
            expected += left_out;
            continue;
        }
        assert_int_equal(strtoul(said + 2, NULL, 10), expected);
        expected++;
        lines++;
    }
    assert_int_equal(expected, total + 1);
    return lines;
}

static void what_was_before_and_what_comes_is_passed_on_once(void **state)
{
    for (unsigned i = 1; i <= 10; i++)
        add_number(i);
    open_feed("exec cat <&3 >$OUT");
    turn(FEED_AFTER_MS + 100);
    assert_int_equal(check_numbers(written(), 10), 10);
    assert_false(feed.passing);
    assert_false(feed.soon.armed); /* nothing to do: nothing wakes it */
    for (unsigned i = 11; i <= 20; i++)
        add_number(i);
    assert_true(feed.soon.armed);
    feed_close(&feed, 5000);
    assert_int_equal(check_numbers(written(), 20), 20);
    assert_null(logs.sinks);
}

static void a_writer_that_hangs_costs_lines_which_are_counted(void **state)
{
    open_feed("kill -STOP $$; exec cat <&3 >$OUT");
    for (unsigned i = 1; i <= 1500; i++)
        add_number(i);
    turn(FEED_AFTER_MS + 100);
    for (unsigned i = 1501; i <= 20000; i++)
        add_number(i);
    turn(FEED_AFTER_MS + 100);
    assert_true(feed.passing); /* as soon as there is room */
    kill(feed.writer, SIGCONT);
    turn(200);
    feed_close(&feed, 5000);
    assert_in_range(check_numbers(written(), 20000), 1000, 10000);
}

static void a_writer_that_dies_is_followed_by_another(void **state)
{
    pid_t first;
    int status;

    open_feed("exec cat <&3 >>$OUT");
    add_number(1);
    turn(FEED_AFTER_MS + 100);
    first = feed.writer;
    kill(first, SIGKILL);
    assert_int_equal(waitpid(first, &status, 0), first);
    add_number(2);
    turn(FEED_AFTER_MS + 100); /* into the pipe, that nobody reads now */
    children_end(&children, &(siginfo_t){ .si_pid = first });
    turn(100);
    assert_int_not_equal(feed.writer, 0);
    assert_int_not_equal(feed.writer, first);
    add_number(3);
    feed_close(&feed, 5000);
    assert_int_equal(check_numbers(written(), 3), 3);
}

static void the_end_does_not_wait_for_a_writer_that_hangs(void **state)
{
    uint64_t began_ms = loop_now_ms();
    pid_t hanging;

    open_feed("echo >$OUT; kill -STOP $$");
    for (unsigned i = 1; i <= 5000; i++)
        add_number(i);
    hanging = feed.writer;
    feed_close(&feed, 300);
    assert_in_range(loop_now_ms() - began_ms, 300, 30000);
    kill(hanging, SIGKILL);
    waitpid(hanging, NULL, 0);
}

static void one_that_floods_leaves_the_others_lines_in_the_files(void **state)
{
    struct log_stream other;
    static char line[1001];
    const char *text;
    size_t size;

    memset(line, 'f', sizeof line - 1);
    logs_open(&other, "other", &logs);
    other.silent = true;
    open_feed("exec cat <&3 >$OUT");
    for (unsigned second = 0; second < 40; second++) {
        for (unsigned i = 0; i < 60; i++)
            logs_add(&stream, line, sizeof line - 1);
        logs_add(&other, "here", 4);
        feed.soon.on_fire(&feed.soon);
        turn(30);
    }
    feed_close(&feed, 5000);
    text = written();
    size = strlen(text);
    assert_in_range(size, 500000, 700000); /* of 2.4 MB */
    for (unsigned i = 0; i < 40; i++) {
        text = strstr(text, "other: here\n");
        assert_non_null(text);
        text++;
    }
    logs_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_before_and_what_comes_is_passed_on_once, begin, end),
        cmocka_unit_test_setup_teardown(a_writer_that_hangs_costs_lines_which_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(a_writer_that_dies_is_followed_by_another, begin, end),
        cmocka_unit_test_setup_teardown(the_end_does_not_wait_for_a_writer_that_hangs, begin, end),
        cmocka_unit_test_setup_teardown(one_that_floods_leaves_the_others_lines_in_the_files, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
