/* Lines: read from a pipe that never blocks, cut at line ends or RING_LINE_BYTES_MAX. What the service wrote is made
 * valid UTF-8 at once, so that it can travel in JSON; control characters, U+0080 to U+009F
 * among them (the kernel's screen takes U+009B for ESC [), are shown as ? on a console, which they could else drive.
 *
 * How much is read. One read a turn of the loop, whatever is there: epoll hands its ready descriptors out in turn, so
 * that a service that floods waits behind every other event after each 16 KiB. Full speed while it is a burst; what is
 * bounded in the long run is the time that PID 1 spends on all logs together, a quarter of one CPU. Once that is spent,
 * a stream is paused after each read, for as long as makes its read an equal share of that quarter: who floods waits
 * (so does the writer, when its pipe is full), and who writes little is read again at once. */

#include "zinit/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 16384
#define READ_NOW_BYTES_MAX (256UL * 1024) /* at the end: others may hold the pipe, and write on */

/* One service can't fill a serial line (11 KB/s) for the others. */
static const struct bucket_rule SHOWN_BYTES = { .capacity = 65536, .per_s = 4096 };
/* Of all logs together, PID 1 reads for a second at once, and one part in READING_SHARE of a CPU in the long run. */
#define READING_SHARE 4
static const struct bucket_rule READING_US = { .capacity = 1000000, .per_s = 1000000 / READING_SHARE };

/* ---- text */

/* How many bytes the valid UTF-8 sequence at `text` has (RFC 3629), 0 when it isn't one. */
static size_t sequence_size(const unsigned char *text, size_t left)
{
    unsigned char c = text[0];
    size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (size == 0 || size > left || c == 0)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) || (c == 0xf0 && text[1] < 0x90) ||
        (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return size;
}

/* Whether none of these eight bytes is NUL or beyond ASCII ("Bit Twiddling Hacks", haszero). */
static bool is_plain(const char *text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return ((word | (word - ones)) & highs) == 0;
}

static void make_valid(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t step;
        if (size - i >= 8 && is_plain(text + i)) {
            i += 8;
            continue;
        }
        step = sequence_size((unsigned char *)text + i, size - i);
        if (step == 0) {
            text[i] = '?';
            step = 1;
        }
        i += step;
    }
}

/* ---- consoles */

/* Does the line begin with "name: " already? */
static bool names_itself(const struct log_stream *stream, const char *text, size_t size)
{
    size_t length = strlen(stream->name);

    return size > length + 1 && !memcmp(text, stream->name, length) && !memcmp(text + length, ": ", 2);
}

/* "error [name] ", "error " for a line that names itself, or nothing for a stream that is shown plainly. */
static size_t write_label(const struct log_stream *stream, int level, bool named, char *line, size_t size)
{
    const char *word = level <= 3 ? "error " : level == 4 ? "warning " : "";

    if (stream->plain)
        return 0;
    return (size_t)(named ? snprintf(line, size, "%s", word) : snprintf(line, size, "%s[%.128s] ", word, stream->name));
}

/* Tells how many lines were left out of the consoles, once there is room again. */
static void show_hidden(struct log_stream *stream)
{
    char note[256];
    size_t used = write_label(stream, LOGS_LEVEL_DEFAULT, false, note, 160);

    if (stream->hidden == 0)
        return;
    used += (size_t)snprintf(note + used, sizeof note - used, "(%u lines left out here)\n", stream->hidden);
    stream->hidden = 0;
    screen_write(stream->logs->screen, note, used);
}

static void show(struct log_stream *stream, int level, const char *text, size_t size)
{
    static char line[RING_LINE_BYTES_MAX + 256];
    size_t used;

    if (stream->silent)
        return;
    if (!bucket_take(&stream->shown, &SHOWN_BYTES, stream->logs->now_ms, strlen(stream->name) + size + 4)) {
        stream->hidden++;
        return;
    }
    show_hidden(stream);
    used = write_label(stream, level, names_itself(stream, text, size), line, 200);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c == 0xc2 && i + 1 < size && ((unsigned char)text[i + 1] & 0xe0) == 0x80;
        line[used++] = (c < 0x20 && c != '\t') || c == 0x7f || c1 ? '?' : (char)c;
        i += c1;
    }
    line[used++] = '\n';
    screen_write(stream->logs->screen, line, used);
}

/* ---- sinks */

void logs_add_sink(struct logs *logs, struct log_sink *sink)
{
    sink->next = logs->sinks;
    logs->sinks = sink;
}

void logs_remove_sink(struct logs *logs, struct log_sink *sink)
{
    struct log_sink **place = &logs->sinks;

    while (*place && *place != sink)
        place = &(*place)->next;
    if (!*place)
        return;
    *place = sink->next;
    if (logs->next_sink == sink)
        logs->next_sink = sink->next;
}

static void give_to_sinks(struct log_stream *stream, const struct ring_line *line, const char *text)
{
    struct logs *logs = stream->logs;

    for (struct log_sink *sink = logs->sinks; sink; sink = logs->next_sink) {
        logs->next_sink = sink->next;
        sink->on_line(sink, stream, line, text);
    }
}

/* ---- lines */

void logs_add_record(struct log_stream *stream, int level, int64_t time_ms, char *text, size_t size)
{
    struct logs *logs = stream->logs;
    struct ring_line line = { .time_ms = time_ms, .order = ++logs->order, .level = level, .size = size };

    make_valid(text, size);
    text[size] = '\0';
    ring_add(&stream->ring, line, text);
    if (logs->lines_max > 0)
        ring_keep_lines(&stream->ring, logs->lines_max);
    show(stream, level, text, size);
    give_to_sinks(stream, &line, text);
}

/* A line as it was written, which it is no more afterwards; text[size] is ours too. */
static void add_written(struct log_stream *stream, char *text, size_t size)
{
    int level = LOGS_LEVEL_DEFAULT;

    if (size >= 3 && text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
        level = text[1] - '0';
        text += 3;
        size -= 3;
    }
    if (size > 0 && text[size - 1] == '\r')
        size--;
    logs_add_record(stream, level, stream->logs->time_ms, text, size);
}

static void take_time(struct logs *logs)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    logs->time_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    logs->now_ms = loop_now_ms();
}

/* Of the time that take_time took. */
static void add_copy(struct log_stream *stream, const char *text, size_t size)
{
    static char line[RING_LINE_BYTES_MAX + 1];

    size = size < RING_LINE_BYTES_MAX ? size : RING_LINE_BYTES_MAX;
    memcpy(line, text, size);
    add_written(stream, line, size);
}

void logs_add(struct log_stream *stream, const char *text, size_t size)
{
    take_time(stream->logs);
    add_copy(stream, text, size);
}

static void end_partial(struct log_stream *stream)
{
    char *text = stream->partial;
    size_t size = stream->partial_size;

    stream->partial = NULL;
    stream->partial_size = 0;
    if (text)
        add_written(stream, text, size);
    free(text);
}

/* Keeps more of a line whose end hasn't come; what can't be kept is added as it is. */
static void keep_partial(struct log_stream *stream, const char *text, size_t size)
{
    char *grown = realloc(stream->partial, stream->partial_size + size + 1);

    if (!grown) {
        end_partial(stream);
        add_copy(stream, text, size);
        return;
    }
    memcpy(grown + stream->partial_size, text, size);
    stream->partial = grown;
    stream->partial_size = (uint16_t)(stream->partial_size + size);
}

/* What is left of a line that is longer than what is kept of one goes on as another. */
static void take_piece(struct log_stream *stream, const char *text, size_t size)
{
    while (size > 0) {
        size_t room = RING_LINE_BYTES_MAX - stream->partial_size;
        size_t piece = size < room ? size : room;
        if (room == 0) {
            end_partial(stream);
            continue;
        }
        keep_partial(stream, text, piece);
        text += piece;
        size -= piece;
    }
}

static void take(struct log_stream *stream, char *text, size_t size)
{
    while (size > 0) {
        char *end = memchr(text, '\n', size);
        size_t piece = end ? (size_t)(end - text) : size;

        if (end && stream->partial_size == 0 && piece <= RING_LINE_BYTES_MAX) {
            add_written(stream, text, piece);
        } else {
            take_piece(stream, text, piece);
            if (end)
                end_partial(stream);
        }
        text += piece + (end != NULL);
        size -= piece + (end != NULL);
    }
}

/* ---- pipes */

/* How many bytes came; 0 when nothing is there, -1 at the end. */
static ssize_t read_once(struct log_stream *stream)
{
    static char buffer[READ_BYTES];
    ssize_t size = read(stream->source.fd, buffer, sizeof buffer);

    if (size > 0)
        take(stream, buffer, (size_t)size);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return size == 0 ? -1 : size;
}

static void set_resume(struct logs *logs)
{
    if (!logs->paused)
        loop_disarm(logs->loop, &logs->resume);
    else if (logs->paused->resume_ms > logs->now_ms)
        loop_arm(logs->loop, &logs->resume, logs->paused->resume_ms - logs->now_ms);
    else
        loop_arm(logs->loop, &logs->resume, 0);
}

static void pause_reading(struct log_stream *stream, uint64_t ms)
{
    struct logs *logs = stream->logs;
    struct log_stream **place = &logs->paused;

    stream->paused = true;
    stream->resume_ms = logs->now_ms + ms;
    while (*place && (*place)->resume_ms <= stream->resume_ms)
        place = &(*place)->next_paused;
    stream->next_paused = *place;
    *place = stream;
    logs->paused_count++;
    loop_change(logs->loop, &stream->source, EPOLLET); /* with 0, EPOLLHUP and EPOLLERR would come for ever */
    if (logs->paused == stream)
        set_resume(logs);
}

static void forget_pause(struct log_stream *stream)
{
    struct log_stream **place = &stream->logs->paused;

    if (!stream->paused)
        return;
    while (*place != stream)
        place = &(*place)->next_paused;
    *place = stream->next_paused;
    stream->paused = false;
    stream->logs->paused_count--;
}

static void on_resume(struct loop_timer *timer)
{
    struct logs *logs = timer->context;

    logs->now_ms = loop_now_ms();
    while (logs->paused && logs->paused->resume_ms <= logs->now_ms) {
        struct log_stream *stream = logs->paused;
        forget_pause(stream);
        loop_change(logs->loop, &stream->source, EPOLLIN);
    }
    set_resume(logs);
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t logs_begin_reading(struct logs *logs)
{
    take_time(logs);
    return now_us();
}

void logs_end_reading(struct log_stream *stream, uint64_t began_us)
{
    struct logs *logs = stream->logs;
    uint64_t took_us = now_us() - began_us + 1;

    bucket_spend(&logs->reading, &READING_US, logs->now_ms, took_us);
    if (stream->source.fd >= 0 && !stream->paused && bucket_is_empty(&logs->reading, &READING_US, logs->now_ms))
        pause_reading(stream, took_us * READING_SHARE * (logs->paused_count + 1) / 1000 + 1);
}

void logs_stop_reading(struct log_stream *stream)
{
    forget_pause(stream);
    end_partial(stream);
    loop_remove(stream->logs->loop, &stream->source);
}

static void on_output(struct loop_source *source, uint32_t events)
{
    struct log_stream *stream = source->context;
    uint64_t began_us;

    if (stream->paused)
        return;
    began_us = logs_begin_reading(stream->logs);
    if (read_once(stream) < 0)
        logs_stop_reading(stream);
    logs_end_reading(stream, began_us);
}

void logs_start(struct logs *logs, struct loop *loop, struct screen *screen)
{
    *logs = (struct logs){ .loop = loop, .screen = screen, .resume = { .on_fire = on_resume, .context = logs } };
}

void logs_open(struct log_stream *stream, const char *name, struct logs *logs)
{
    *stream = (struct log_stream){ .name = name,
                                   .logs = logs,
                                   .next = logs->streams,
                                   .source = { .fd = -1, .on_event = on_output, .context = stream } };
    ring_open(&stream->ring, LOGS_RING_BYTES);
    logs->streams = stream;
}

void logs_close(struct log_stream *stream)
{
    struct log_stream **place = &stream->logs->streams;

    logs_detach(stream);
    ring_close(&stream->ring);
    while (*place && *place != stream)
        place = &(*place)->next;
    if (*place)
        *place = stream->next;
}

int logs_attach(struct log_stream *stream, int *ret_fd)
{
    int ends[2], error;

    logs_detach(stream);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* the service's end blocks: nothing that it writes is lost */
    stream->source.fd = ends[0];
    error = loop_add(stream->logs->loop, &stream->source, EPOLLIN);
    if (error) {
        close(ends[0]);
        close(ends[1]);
        stream->source.fd = -1;
        return error;
    }
    *ret_fd = ends[1];
    return 0;
}

void logs_read_now(struct log_stream *stream)
{
    size_t total = 0;

    if (stream->source.fd < 0)
        return;
    take_time(stream->logs);
    while (total < READ_NOW_BYTES_MAX) {
        ssize_t size = read_once(stream);
        if (size <= 0)
            break;
        total += (size_t)size;
    }
}

void logs_detach(struct log_stream *stream)
{
    if (stream->source.fd < 0)
        return;
    logs_read_now(stream);
    logs_stop_reading(stream);
}
