/* Lines of services as the consoles show them. */

#include "zinit/history.h"
#include "zinit/logs.h"
#include "zinit/merge.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop loop;
static struct screen screen;
static struct logs logs;
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
    logs_start(&logs, &loop, &screen);
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
    shows("netd", false,
          "\xc2\x9b"
          "2J\xc2\x80\xc2\x9f\u00a0\u00e9",
          "[netd] ?2J??\u00a0\u00e9\n");
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
    stream.silent = true;
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

/* ---- merged */

static void the_lines_of_a_thousand_streams_come_in_order(void **state)
{
    static struct log_stream streams[1000];
    static char names[1000][8];
    struct log_stream *stream;
    struct ring_line line;
    struct merge merge;
    uint64_t first = logs.order + 1, expected = first;
    char text[RING_LINE_BYTES_MAX + 1];

    for (size_t i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        logs_open(&streams[i], names[i], &logs);
        streams[i].silent = true;
    }
    for (size_t i = 0; i < 3000; i++)
        logs_add(&streams[i * i * 7 % 1000], names[i * i * 7 % 1000], strlen(names[i * i * 7 % 1000]));
    assert_int_equal(merge_open(&merge, &logs, NULL, MERGE_ALL), 0);
    while (merge_next(&merge, &stream, &line, text)) {
        assert_int_equal(line.order, expected++);
        assert_string_equal(text, stream->name);
    }
    merge_close(&merge);
    assert_int_equal(expected, first + 3000);
    for (size_t i = 0; i < 1000; i++)
        logs_close(&streams[i]);
}

static void fresh_lines_come_once(void **state)
{
    struct log_stream a, b, *stream;
    struct ring_line line;
    struct merge merge;

    logs_open(&a, "a", &logs);
    logs_open(&b, "b", &logs);
    a.silent = b.silent = true;
    logs_add(&a, "1", 1);
    logs_add(&b, "2", 1);
    assert_int_equal(merge_open(&merge, &logs, NULL, MERGE_FRESH), 0);
    assert_true(merge_next(&merge, &stream, &line, NULL));
    assert_ptr_equal(stream, &a);
    merge_close(&merge);
    logs_add(&a, "3", 1);
    assert_int_equal(merge_open(&merge, &logs, NULL, MERGE_FRESH), 0);
    assert_true(merge_next(&merge, &stream, &line, NULL));
    assert_ptr_equal(stream, &b);
    assert_true(merge_next(&merge, &stream, &line, NULL));
    assert_ptr_equal(stream, &a);
    assert_int_equal(line.order, logs.order);
    assert_false(merge_next(&merge, &stream, &line, NULL));
    merge_close(&merge);
    assert_int_equal(merge_open(&merge, &logs, NULL, MERGE_FRESH), 0);
    assert_false(merge_next(&merge, &stream, &line, NULL));
    merge_close(&merge);
    logs_close(&a);
    logs_close(&b);
}

static void an_answer_has_the_newest_lines_that_fit(void **state)
{
    static struct log_stream streams[40];
    static char escapes[RING_LINE_BYTES_MAX];
    cJSON *array;
    char *printed;

    memset(escapes, 1, sizeof escapes); /* six bytes each in JSON */
    for (size_t i = 0; i < 40; i++) {
        logs_open(&streams[i], "s", &logs);
        streams[i].silent = true;
        for (int j = 0; j < 16; j++)
            logs_add(&streams[i], escapes, sizeof escapes);
    }
    logs_add(&streams[7], "newest", 6);
    array = history_to_json(&logs, "s", true, 7, SIZE_MAX);
    printed = cJSON_PrintUnformatted(array);
    assert_in_range(strlen(printed), 1000000, 1024 * 1024 - 1);
    assert_string_equal(cJSON_GetArrayItem(array, cJSON_GetArraySize(array) - 1)->valuestring, "newest");
    cJSON_free(printed);
    cJSON_Delete(array);
    array = history_to_json(&logs, "s", true, 7, 1);
    assert_int_equal(cJSON_GetArraySize(array), 1);
    assert_string_equal(array->child->valuestring, "newest");
    cJSON_Delete(array);
    logs_add(&streams[0], "<4>graver", 9); /* and then what fills the rings, of the usual level */
    logs_add(&streams[0], "<3>graver still", 15);
    for (size_t i = 1; i < 40; i++)
        for (int j = 0; j < 16; j++)
            logs_add(&streams[i], escapes, sizeof escapes);
    array = history_to_json(&logs, "s", true, 4, SIZE_MAX);
    assert_int_equal(cJSON_GetArraySize(array), 2);
    assert_string_equal(array->child->valuestring, "graver");
    assert_string_equal(array->child->next->valuestring, "graver still");
    cJSON_Delete(array);
    array = history_to_json(&logs, "nobody", true, 7, SIZE_MAX);
    assert_int_equal(cJSON_GetArraySize(array), 0);
    cJSON_Delete(array);
    for (size_t i = 0; i < 40; i++)
        logs_close(&streams[i]);
}

/* ---- pipes */

static char seen[8][RING_LINE_BYTES_MAX + 1];
static size_t seen_count;

static void keep_line(struct log_sink *sink, const struct log_stream *stream, const struct ring_line *line,
                      const char *text)
{
    assert_true(seen_count < 8);
    strcpy(seen[seen_count++], text);
}

static void lines_are_cut_at_their_ends_however_they_come(void **state)
{
    struct log_sink sink = { .on_line = keep_line };
    static char huge[2 * RING_LINE_BYTES_MAX + 10];
    struct log_stream stream;
    int fd;

    memset(huge, 'x', sizeof huge);
    huge[sizeof huge - 1] = '\n';
    huge[RING_LINE_BYTES_MAX - 1] = 'a';
    huge[RING_LINE_BYTES_MAX] = 'b';
    logs_open(&stream, "s", &logs);
    stream.silent = true;
    logs_add_sink(&logs, &sink);
    assert_int_equal(logs_attach(&stream, &fd), 0);
    assert_int_equal(write(fd, "one\n\ntwo, in", 12), 12);
    stream.source.on_event(&stream.source, EPOLLIN);
    assert_int_equal(write(fd, " two pieces\n", 12), 12);
    stream.source.on_event(&stream.source, EPOLLIN);
    assert_int_equal(write(fd, huge, sizeof huge), sizeof huge);
    assert_int_equal(write(fd, "a\0b\xc3\xa9\xff without its end", 22), 22);
    close(fd);
    stream.source.on_event(&stream.source, EPOLLIN);
    stream.source.on_event(&stream.source, EPOLLHUP);
    assert_int_equal(stream.source.fd, -1);
    assert_int_equal(seen_count, 7);
    assert_string_equal(seen[0], "one");
    assert_string_equal(seen[1], "");
    assert_string_equal(seen[2], "two, in two pieces");
    assert_int_equal(strlen(seen[3]), RING_LINE_BYTES_MAX);
    assert_int_equal(seen[3][RING_LINE_BYTES_MAX - 1], 'a');
    assert_int_equal(strlen(seen[4]), RING_LINE_BYTES_MAX);
    assert_int_equal(seen[4][0], 'b');
    assert_string_equal(seen[5], "xxxxxxxxx");
    assert_string_equal(seen[6], "a?b\xc3\xa9? without its end");
    logs_remove_sink(&logs, &sink);
    logs_close(&stream);
}

/* ---- a flood */

struct race {
    struct log_sink sink;
    int quiet_fd;
    uint64_t lines, asked_at, worst, answers;
};

/* At every thousandth line of the flood the quiet one says something. */
static void on_race(struct log_sink *sink, const struct log_stream *stream, const struct ring_line *line,
                    const char *text)
{
    struct race *race = (struct race *)sink;

    if (stream->name[0] == 'q') {
        uint64_t between = race->lines - race->asked_at;
        race->worst = between > race->worst ? between : race->worst;
        race->asked_at = 0;
        if (++race->answers == 200)
            loop_end(stream->logs->loop);
    } else if (++race->lines % 1000 == 0 && !race->asked_at) {
        race->asked_at = race->lines;
        assert_int_equal(write(race->quiet_fd, "?\n", 2), 2);
    }
}

/* A process that writes "flood\n" as fast as it can. */
static pid_t begin_flood(struct log_stream *stream)
{
    static char block[6 * 10000];
    int fd;
    pid_t child;

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = "flood\n"[i % 6];
    assert_int_equal(logs_attach(stream, &fd), 0);
    child = fork();
    if (child == 0)
        while (write(fd, block, sizeof block) > 0)
            continue;
    close(fd);
    return child;
}

static uint64_t cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits at most for what two reads of the flood bring, at full speed and when the time for reading is spent alike; and
 * then reading takes no more than its share: a quarter of one CPU, and the loop's own turns. */
static void a_flood_drowns_nobody(void **state)
{
    struct log_stream flood, quiet;
    struct race race = { .sink.on_line = on_race };
    pid_t child;
    size_t kept = 0;

    logs_open(&flood, "flood", &logs);
    logs_open(&quiet, "quiet", &logs);
    flood.silent = true;
    assert_int_equal(logs_attach(&quiet, &race.quiet_fd), 0);
    child = begin_flood(&flood);
    logs_add_sink(&logs, &race.sink);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t began_ms = loop_now_ms(), began_cpu_ms = cpu_ms(), took_ms, cpu;
        logs.reading.spent = round ? 1000000 : 0;
        logs.reading.at_ms = began_ms;
        race.answers = 0;
        loop.ended = false;
        loop_run(&loop);
        took_ms = loop_now_ms() - began_ms;
        cpu = cpu_ms() - began_cpu_ms;
        if (round == 1)
            assert_in_range(cpu, 0, took_ms / 2 + 20);
        assert_in_range(race.worst, 0, 3 * 16384 / 6);
    }
    assert_in_range(flood.ring.capacity, 0, LOGS_RING_BYTES);
    logs_remove_sink(&logs, &race.sink);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (size_t cursor = 0; cursor < quiet.ring.used; kept++) {
        struct ring_line line;
        assert_true(ring_next(&quiet.ring, &cursor, &line, NULL));
    }
    assert_int_equal(kept, 400);
    for (unsigned i = 0; i < 400; i++) {
        char line[11] = "";
        assert_int_equal(read(console, line, 10), 10);
        assert_string_equal(line, "[quiet] ?\n");
    }
    close(race.quiet_fd);
    logs_close(&flood);
    logs_close(&quiet);
    assert_null(logs.paused);
    loop_disarm(&loop, &logs.resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_shown_with_its_name_once),
        cmocka_unit_test(nobody_passes_for_another),
        cmocka_unit_test(warnings_and_errors_say_so),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(a_sink_is_given_each_line_and_may_remove_any),
        cmocka_unit_test(the_lines_of_a_thousand_streams_come_in_order),
        cmocka_unit_test(fresh_lines_come_once),
        cmocka_unit_test(an_answer_has_the_newest_lines_that_fit),
        cmocka_unit_test(lines_are_cut_at_their_ends_however_they_come),
        cmocka_unit_test(a_flood_drowns_nobody),
    };

    return cmocka_run_group_tests(tests, open_screen, close_screen);
}
