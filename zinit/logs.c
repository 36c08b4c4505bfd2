/* Lines: read from a pipe that never blocks, cut at line ends or RING_LINE_BYTES_MAX. What the service wrote is made
 * valid UTF-8 at once, so that it can travel in JSON; control characters are shown as ? on a console, which they could
 * else drive. */

#include "zinit/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 16384
#define DETACH_BYTES_MAX (256UL * 1024) /* the most that is read when the writer is gone: others may hold the pipe */
#define DEFAULT_LEVEL 6
#define PAUSE_MS 100

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

static void make_valid(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t step = sequence_size((unsigned char *)text + i, size - i);
        if (step == 0) {
            text[i] = '?';
            step = 1;
        }
        i += step;
    }
}

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
    size_t used = write_label(stream, DEFAULT_LEVEL, false, note, 160);

    if (stream->hidden == 0)
        return;
    used += (size_t)snprintf(note + used, sizeof note - used, "(%zu lines left out here)\n", stream->hidden);
    stream->hidden = 0;
    screen_write(stream->logs->screen, note, used);
}

static void show(struct log_stream *stream, int level, const char *text, size_t size)
{
    static char line[RING_LINE_BYTES_MAX + 256];
    size_t used = write_label(stream, level, names_itself(stream, text, size), line, 200);

    if (!bucket_take(&stream->shown, loop_now_ms(), used + size + 1)) {
        stream->hidden++;
        return;
    }
    show_hidden(stream);

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        line[used++] = (c < 0x20 && c != '\t') || c == 0x7f ? '?' : (char)c;
    }
    line[used++] = '\n';
    screen_write(stream->logs->screen, line, used);
}

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

void logs_add(struct log_stream *stream, const char *text, size_t size)
{
    static char line[RING_LINE_BYTES_MAX + 1];
    struct ring_line record = { .order = ++stream->logs->order, .level = DEFAULT_LEVEL };
    struct timespec now;

    if (size >= 3 && text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
        record.level = text[1] - '0';
        text += 3;
        size -= 3;
    }
    if (size > 0 && text[size - 1] == '\r')
        size--;
    size = size < RING_LINE_BYTES_MAX ? size : RING_LINE_BYTES_MAX;
    memcpy(line, text, size);
    line[size] = '\0';
    make_valid(line, size);
    clock_gettime(CLOCK_REALTIME, &now);
    record.time_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    record.size = size;
    ring_add(&stream->ring, record, line);
    show(stream, record.level, line, size);
    give_to_sinks(stream, &record, line);
}

static void drop_partial(struct log_stream *stream)
{
    free(stream->partial);
    stream->partial = NULL;
    stream->partial_size = 0;
}

/* Keeps the begin of a line; one that gets too long, or can't be kept, is added as it is. */
static void keep_partial(struct log_stream *stream, const char *text, size_t size)
{
    char *grown = NULL;

    if (stream->partial_size + size <= RING_LINE_BYTES_MAX)
        grown = realloc(stream->partial, stream->partial_size + size);
    if (!grown) {
        if (stream->partial_size > 0)
            logs_add(stream, stream->partial, stream->partial_size);
        drop_partial(stream);
        logs_add(stream, text, size);
        return;
    }
    memcpy(grown + stream->partial_size, text, size);
    stream->partial = grown;
    stream->partial_size += size;
}

static void take(struct log_stream *stream, const char *text, size_t size)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t piece = end ? (size_t)(end - text) : size;
        bool whole = end != NULL;

        if (piece > RING_LINE_BYTES_MAX) {
            piece = RING_LINE_BYTES_MAX;
            whole = false;
        }
        if (whole && stream->partial_size == 0) {
            logs_add(stream, text, piece);
        } else if (piece > 0) {
            keep_partial(stream, text, piece);
        }
        if (whole && stream->partial_size > 0) {
            logs_add(stream, stream->partial, stream->partial_size);
            drop_partial(stream);
        }
        text += piece + whole;
        size -= piece + whole;
    }
}

/* Reads once: how many bytes came, 0 at the end or when nothing is there, -1 at the end. */
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

static void end_pipe(struct log_stream *stream)
{
    loop_disarm(stream->logs->loop, &stream->resume);
    if (stream->partial_size > 0)
        logs_add(stream, stream->partial, stream->partial_size);
    drop_partial(stream);
    loop_remove(stream->logs->loop, &stream->source);
}

static void on_output(struct loop_source *source, uint32_t events)
{
    struct log_stream *stream = source->context;
    ssize_t size = read_once(stream);

    if (size < 0) {
        end_pipe(stream);
    } else if (!bucket_take(&stream->taken, loop_now_ms(), (size_t)size)) {
        loop_change(stream->logs->loop, source, 0);
        loop_arm(stream->logs->loop, &stream->resume, PAUSE_MS);
    }
}

static void on_resume(struct loop_timer *timer)
{
    struct log_stream *stream = timer->context;

    if (stream->source.fd >= 0)
        loop_change(stream->logs->loop, &stream->source, EPOLLIN);
}

void logs_open(struct log_stream *stream, const char *name, struct logs *logs)
{
    *stream = (struct log_stream){ .name = name,
                                   .logs = logs,
                                   .source = { .fd = -1, .on_event = on_output, .context = stream } };
    stream->shown = (struct bucket){ .capacity = LOGS_SHOWN_BYTES, .per_s = LOGS_SHOWN_BYTES_PER_S };
    stream->taken = (struct bucket){ .capacity = LOGS_TAKEN_BYTES, .per_s = LOGS_TAKEN_BYTES_PER_S };
    stream->resume = (struct loop_timer){ .on_fire = on_resume, .context = stream };
    ring_open(&stream->ring, LOGS_RING_BYTES);
}

void logs_close(struct log_stream *stream)
{
    logs_detach(stream);
    ring_close(&stream->ring);
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

void logs_detach(struct log_stream *stream)
{
    size_t total = 0;

    if (stream->source.fd < 0)
        return;
    while (total < DETACH_BYTES_MAX) {
        ssize_t size = read_once(stream);
        if (size <= 0)
            break;
        total += (size_t)size;
    }
    end_pipe(stream);
}

/* ---- the whole, merged */

/* "2023-01-01T12:00:00 redis: text", in static memory. */
static const char *dress(const char *name, const struct ring_line *line, const char *text)
{
    static char whole[RING_LINE_BYTES_MAX + UINT8_MAX];
    time_t seconds = line->time_ms / 1000;
    struct tm utc;
    char time[32];

    gmtime_r(&seconds, &utc);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(whole, sizeof whole, "%s %.128s: %s", time, name, text);
    return whole;
}

static bool add_text(cJSON *array, const char *text)
{
    cJSON *item = cJSON_CreateString(text);

    if (item && cJSON_AddItemToArray(array, item))
        return true;
    cJSON_Delete(item);
    return false;
}

/* The stream whose line at its cursor is the oldest; count when all are at their end. */
static size_t find_oldest(struct log_stream *const *streams, size_t count, const size_t *cursors)
{
    static char text[RING_LINE_BYTES_MAX + 1];
    struct ring_line line;
    uint64_t oldest = UINT64_MAX;
    size_t found = count;

    for (size_t i = 0; i < count; i++) {
        size_t cursor = cursors[i];
        if (ring_next(&streams[i]->ring, &cursor, &line, text) && line.order < oldest) {
            oldest = line.order;
            found = i;
        }
    }
    return found;
}

cJSON *logs_to_json(struct log_stream *const *streams, size_t count, bool raw)
{
    static char text[RING_LINE_BYTES_MAX + 1];
    size_t *cursors = calloc(count + 1, sizeof *cursors);
    cJSON *array = cJSON_CreateArray();
    struct ring_line line;

    for (;;) {
        size_t at = cursors && array ? find_oldest(streams, count, cursors) : count;
        if (at == count)
            break;
        ring_next(&streams[at]->ring, &cursors[at], &line, text);
        if (!add_text(array, raw ? text : dress(streams[at]->name, &line, text)))
            break;
    }
    free(cursors);
    return array;
}
