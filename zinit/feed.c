/* A second after a line came, all lines that weren't passed on yet go into the pipe, 16 KiB a turn of the loop, and
 * when it is full, whenever there is room again. Nothing is done when nothing comes, nor while the writer waits for its
 * disk. The rings are the only buffer, so that what a service may have waiting is bounded by its ring; and a bucket a
 * service bounds what it writes in the long run, so that it can't drive the others' lines out of the files. */

#include "zinit/feed.h"

#include "lib/log.h"
#include "zinit/book.h"
#include "zinit/machine.h"
#include "zinit/merge.h"
#include "zinit/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct bucket_rule STORED_BYTES = { .capacity = 512 * 1024, .per_s = 8192 };

/* ---- lines into the batch */

static void add_left_out(struct feed *feed, const struct ring_line *line)
{
    char text[80];
    struct ring_line note = { .time_ms = line->time_ms, .level = LOGS_LEVEL_DEFAULT };

    note.size = (size_t)snprintf(text, sizeof text, "(%llu lines left out here)",
                                 (unsigned long long)(line->order - feed->order - 1));
    feed->used += book_format_line(feed->batch + feed->used, "zinit", &note, text);
}

/* Fills the batch. False when there is nothing to pass on. */
static bool fill(struct feed *feed)
{
    static char text[RING_LINE_BYTES_MAX + 1];
    uint64_t now_ms = loop_now_ms();
    struct log_stream *stream;
    struct ring_line line;
    struct merge merge;

    if (merge_open(&merge, feed->logs, NULL, MERGE_FRESH) < 0)
        return feed->used > 0;
    while (feed->used + 2 * BOOK_LINE_BYTES_MAX <= sizeof feed->batch && merge_next(&merge, &stream, &line, text)) {
        if (!bucket_take(&stream->stored, &STORED_BYTES, now_ms, line.size + BOOK_LINE_HEAD_BYTES))
            continue;
        if (line.order > feed->order + 1)
            add_left_out(feed, &line);
        feed->used += book_format_line(feed->batch + feed->used, stream->name, &line, text);
        feed->order = line.order;
    }
    merge_close(&merge);
    return feed->used > 0;
}

/* Writes what the pipe takes of the batch. False when it took nothing. */
static bool write_batch(struct feed *feed)
{
    ssize_t written = write(feed->pipe.fd, feed->batch, feed->used);

    if (written <= 0)
        return false;
    feed->used -= (size_t)written;
    memmove(feed->batch, feed->batch + written, feed->used);
    return true;
}

/* ---- when */

static void set_passing(struct feed *feed, bool passing)
{
    if (feed->passing == passing)
        return;
    feed->passing = passing;
    loop_change(feed->logs->loop, &feed->pipe, passing ? EPOLLOUT : 0);
}

static void on_writable(struct loop_source *source, uint32_t events)
{
    struct feed *feed = source->context;

    if (feed->used == 0 && !fill(feed))
        set_passing(feed, false);
    else
        write_batch(feed);
}

static void on_soon(struct loop_timer *timer)
{
    set_passing(timer->context, true);
}

static void on_line(struct log_sink *sink, const struct log_stream *stream, const struct ring_line *line,
                    const char *text)
{
    struct feed *feed = (struct feed *)sink;

    if (!feed->passing && !feed->soon.armed)
        loop_arm(feed->logs->loop, &feed->soon, FEED_AFTER_MS);
}

/* ---- the writer */

static void start_writer(struct feed *feed)
{
    struct spawn_failure failure = { .error = 0 };
    int result = spawn_process(&(struct spawn){ .argv = feed->argv,
                                                .env = feed->env,
                                                .output_fd = STDERR_FILENO,
                                                .ready_fd = feed->reader_fd,
                                                .cgroup_fd = -1 },
                               &feed->writer, &failure);

    feed->spawned_ms = loop_now_ms();
    if (result == 0) {
        children_await(feed->children, &feed->process, feed->writer);
        return;
    }
    feed->writer = 0;
    if (feed->failures++ == 0)
        log_fail(failure.error ? -failure.error : result, "start %s: the logs aren't copied to the disk",
                 feed->argv[0]);
    loop_arm(feed->logs->loop, &feed->again, machine_delay_ms(feed->failures));
}

static void on_again(struct loop_timer *timer)
{
    start_writer(timer->context);
}

static void on_writer_end(struct child *process, const siginfo_t *info)
{
    struct feed *feed = process->context;

    feed->writer = 0;
    if (loop_now_ms() - feed->spawned_ms >= MACHINE_STABLE_MS)
        feed->failures = 0;
    if (feed->failures == 0)
        log_warning("the process that copies the logs to the disk ended: is started again");
    loop_arm(feed->logs->loop, &feed->again, machine_delay_ms(feed->failures++));
}

int feed_open(struct feed *feed, struct logs *logs, struct children *children, char *const *argv, char *const *env)
{
    int ends[2], error;

    *feed = (struct feed){
        .sink.on_line = on_line, .children = children, .argv = argv, .env = env, .reader_fd = -1, .pipe.fd = -1
    };
    if (pipe2(ends, O_CLOEXEC) < 0)
        return log_fail(-errno, "make a pipe: the logs aren't copied to the disk");
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    feed->pipe = (struct loop_source){ .fd = ends[1], .on_event = on_writable, .context = feed };
    feed->reader_fd = ends[0];
    feed->process = (struct child){ .on_end = on_writer_end, .context = feed };
    feed->soon = (struct loop_timer){ .on_fire = on_soon, .context = feed };
    feed->again = (struct loop_timer){ .on_fire = on_again, .context = feed };
    error = loop_add(logs->loop, &feed->pipe, 0);
    if (error) {
        close(ends[0]);
        close(ends[1]);
        return log_fail(error, "watch a pipe: the logs aren't copied to the disk");
    }
    feed->logs = logs;
    logs_add_sink(logs, &feed->sink);
    start_writer(feed);
    loop_arm(logs->loop, &feed->soon, FEED_AFTER_MS);
    return 0;
}

/* ---- the end */

static void wait_for_writer(struct feed *feed, uint64_t until)
{
    while (feed->writer > 0 && loop_now_ms() < until && waitpid(feed->writer, NULL, WNOHANG) == 0)
        usleep(2000);
}

void feed_close(struct feed *feed, unsigned at_most_ms)
{
    uint64_t until = loop_now_ms() + at_most_ms;

    if (!feed->logs)
        return;
    while (feed->used > 0 || fill(feed)) {
        struct pollfd room = { .fd = feed->pipe.fd, .events = POLLOUT };
        uint64_t now_ms = loop_now_ms();
        if (now_ms >= until || (!write_batch(feed) && poll(&room, 1, (int)(until - now_ms)) < 0 && errno != EINTR))
            break;
    }
    logs_remove_sink(feed->logs, &feed->sink);
    loop_disarm(feed->logs->loop, &feed->soon);
    loop_disarm(feed->logs->loop, &feed->again);
    loop_remove(feed->logs->loop, &feed->pipe);
    close(feed->reader_fd);
    children_leave(feed->children, &feed->process);
    wait_for_writer(feed, until);
    feed->logs = NULL;
}
