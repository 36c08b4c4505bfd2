/* The kernel's messages: what a record means, and as a stream. */

#include "zinit/kernel.h"
#include "zinit/kmsg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct kmsg kmsg;

static bool parses(const char *record)
{
    return kmsg_parse(record, strlen(record), &kmsg);
}

static void a_record_is_read_whole(void **state)
{
    assert_true(parses("6,339,5140900,-;NET: Registered PF_INET6\n"));
    assert_int_equal(kmsg.level, 6);
    assert_int_equal(kmsg.facility, 0);
    assert_int_equal(kmsg.sequence, 339);
    assert_int_equal(kmsg.time_us, 5140900);
    assert_string_equal(kmsg.text, "NET: Registered PF_INET6");
    assert_int_equal(kmsg.size, strlen(kmsg.text));
    assert_true(parses("30,340,1,c,caller=T1,more;systemd says; so\n SUBSYSTEM=acpi\n DEVICE=+acpi:x\n"));
    assert_int_equal(kmsg.level, 6);
    assert_int_equal(kmsg.facility, 3);
    assert_string_equal(kmsg.text, "systemd says; so");
    assert_true(parses("0,18446744073709551615,18446744073709551615,-;"));
    assert_string_equal(kmsg.text, "");
}

static void escapes_become_bytes_but_for_control_characters(void **state)
{
    assert_true(parses("6,1,1,-;a\\x5cb \\xc3\\xa9 \\x0a\\x1b\\x7f \\x4 \\xzz \\"));
    assert_string_equal(kmsg.text, "a\\b \xc3\xa9 \\x0a\\x1b\\x7f \\x4 \\xzz \\");
}

static void what_is_no_record_is_refused(void **state)
{
    static const char *const records[] = { "",
                                           ";",
                                           "6,1,1,-",
                                           "6,1;text",
                                           "a,1,1,-;text",
                                           "6,,1,-;text",
                                           "6,1,-1,-;text",
                                           "6, 1,1,-;text",
                                           "6,18446744073709551616,1,-;text",
                                           "99999999999,1,1,-;text" };

    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        assert_false(parses(records[i]));
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    static char record[2 * RING_LINE_BYTES_MAX] = "6,1,1,-;";

    memset(record + 8, 'x', sizeof record - 9);
    assert_true(parses(record));
    assert_int_equal(kmsg.size, RING_LINE_BYTES_MAX);
}

/* ---- as a stream */

static struct loop loop;
static struct screen screen; /* of no line */
static struct logs logs;

static void takes(const struct kernel_log *kernel, int expected_level, const char *expected, size_t *cursor)
{
    char text[RING_LINE_BYTES_MAX + 1];
    struct ring_line line;

    assert_true(ring_next(&kernel->stream.ring, cursor, &line, text));
    assert_string_equal(text, expected);
    assert_int_equal(line.level, expected_level);
}

static void send_record(int fd, const char *record)
{
    assert_int_equal(send(fd, record, strlen(record), 0), strlen(record));
}

static void the_kernels_lines_are_kept_and_the_lost_are_counted(void **state)
{
    struct kernel_log kernel;
    int ends[2];
    size_t cursor = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    logs_start(&logs, &loop, &screen);
    assert_int_equal(loop_open(&loop), 0);
    assert_int_equal(kernel_open(&kernel, &logs, ends[0]), 0);
    send_record(ends[1], "6,100,1,-;Linux version 6.12\n");
    send_record(ends[1], "14,101,1,-;kernel: says a program\n");
    send_record(ends[1], "nonsense");
    send_record(ends[1], "3,102,1,-;ata1: error \\xff\n");
    send_record(ends[1], "4,110,1,-;after an overrun\n");
    kernel.stream.source.on_event(&kernel.stream.source, EPOLLIN);
    takes(&kernel, 6, "Linux version 6.12", &cursor);
    takes(&kernel, 3, "ata1: error ?", &cursor);
    takes(&kernel, 4, "(7 messages lost here)", &cursor);
    takes(&kernel, 4, "after an overrun", &cursor);
    assert_int_equal(cursor, kernel.stream.ring.used);

    /* nobody reads while the time for logs is spent, and then goes on */
    logs.reading.spent = 1000000;
    logs.reading.at_ms = loop_now_ms();
    send_record(ends[1], "6,111,1,-;the last before the pause\n");
    kernel.stream.source.on_event(&kernel.stream.source, EPOLLIN);
    takes(&kernel, 6, "the last before the pause", &cursor);
    assert_true(kernel.stream.paused);
    send_record(ends[1], "6,112,1,-;waits\n");
    kernel.stream.source.on_event(&kernel.stream.source, EPOLLERR);
    assert_int_equal(cursor, kernel.stream.ring.used);
    kernel.stream.resume_ms = 0;
    logs.resume.on_fire(&logs.resume);
    assert_false(kernel.stream.paused);
    logs.reading.spent = 0;
    kernel.stream.source.on_event(&kernel.stream.source, EPOLLIN);
    takes(&kernel, 6, "waits", &cursor);

    close(ends[1]);
    kernel.stream.source.on_event(&kernel.stream.source, EPOLLHUP);
    assert_int_equal(kernel.stream.source.fd, -1);
    kernel_close(&kernel);
    assert_null(logs.streams);
    loop_disarm(&loop, &logs.resume);
    loop_close(&loop);
}

static void without_a_device_there_is_no_stream(void **state)
{
    struct kernel_log kernel;

    logs_start(&logs, &loop, &screen);
    errno = ENOENT;
    assert_int_equal(kernel_open(&kernel, &logs, -1), -ENOENT);
    kernel_close(&kernel);
    assert_null(logs.streams);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_whole),
        cmocka_unit_test(escapes_become_bytes_but_for_control_characters),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
        cmocka_unit_test(the_kernels_lines_are_kept_and_the_lost_are_counted),
        cmocka_unit_test(without_a_device_there_is_no_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
