/* /dev/kmsg: a record a read, in order. When the kernel's buffer went round before we read it the next read says EPIPE
 * and goes on with the oldest; how many were lost is the gap in the records' numbers. Nothing in zinit writes to the
 * device, so that no line can go round in circles. */

#include "zinit/kernel.h"

#include "lib/log.h"
#include "zinit/kmsg.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define RECORDS_A_TURN 64
#define LOST_LEVEL 4

static void tell_lost(struct kernel_log *kernel, uint64_t count)
{
    char text[64];
    int size = snprintf(text, sizeof text, "(%llu messages lost here)", (unsigned long long)count);

    logs_add_record(&kernel->stream, LOST_LEVEL, kernel->stream.logs->time_ms, text, (size_t)size);
}

/* When that was, by the wall clock as it is now: at boot it may not have been set yet. */
static int64_t wall_ms(const struct logs *logs, uint64_t time_us)
{
    uint64_t time_ms = time_us / 1000;

    return time_ms < logs->now_ms ? logs->time_ms - (int64_t)(logs->now_ms - time_ms) : logs->time_ms;
}

static void take_record(struct kernel_log *kernel, const char *record, size_t size)
{
    static struct kmsg kmsg;

    if (!kmsg_parse(record, size, &kmsg))
        return;
    if (kernel->next_sequence && kmsg.sequence > kernel->next_sequence)
        tell_lost(kernel, kmsg.sequence - kernel->next_sequence);
    kernel->next_sequence = kmsg.sequence + 1;
    if (kmsg.facility == 0) /* what a program writes into the device doesn't pass for the kernel's */
        logs_add_record(&kernel->stream, kmsg.level, wall_ms(kernel->stream.logs, kmsg.time_us), kmsg.text, kmsg.size);
}

/* False when there is nothing more now. */
static bool read_record(struct kernel_log *kernel)
{
    static char record[KMSG_RECORD_BYTES_MAX];
    ssize_t size = read(kernel->stream.source.fd, record, sizeof record);

    if (size > 0) {
        take_record(kernel, record, (size_t)size);
        return true;
    }
    if (size < 0 && (errno == EPIPE || errno == EINTR))
        return true;
    if (size < 0 && errno == EAGAIN)
        return false;
    log_fail(size < 0 ? -errno : -EIO, "read /dev/kmsg: the kernel's messages are missing from here on");
    logs_stop_reading(&kernel->stream);
    return false;
}

static void on_records(struct loop_source *source, uint32_t events)
{
    struct kernel_log *kernel = source->context;
    uint64_t began_us;
    unsigned left = RECORDS_A_TURN;

    if (kernel->stream.paused)
        return;
    began_us = logs_begin_reading(kernel->stream.logs);
    while (left-- > 0 && read_record(kernel))
        continue;
    logs_end_reading(&kernel->stream, began_us);
}

int kernel_open(struct kernel_log *kernel, struct logs *logs, int fd)
{
    int error;

    *kernel = (struct kernel_log){ 0 };
    if (fd < 0)
        return log_fail(-errno, "open /dev/kmsg: the kernel's messages are missing");
    logs_open(&kernel->stream, "kernel", logs);
    kernel->stream.silent = true;
    kernel->stream.source = (struct loop_source){ .fd = fd, .on_event = on_records, .context = kernel };
    error = loop_add(logs->loop, &kernel->stream.source, EPOLLIN);
    if (error) {
        close(fd);
        kernel->stream.source.fd = -1;
        return log_fail(error, "watch /dev/kmsg");
    }
    return 0;
}

void kernel_close(struct kernel_log *kernel)
{
    if (!kernel->stream.logs)
        return;
    logs_stop_reading(&kernel->stream); /* as it is: it is no pipe that could be read empty */
    logs_close(&kernel->stream);
}
