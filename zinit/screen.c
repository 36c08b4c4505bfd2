/* Each console has a buffer of its own, so that a slow one delays nobody. */

#include "zinit/screen.h"

#include "zinit/consoles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_MS 1000

/* Writes out what waits; what the line doesn't take stays. */
static void drain(struct screen_line *line)
{
    while (line->used > 0) {
        ssize_t written = write(line->source.fd, line->buffer, line->used);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN)
            line->used = 0; /* a console that is gone takes nothing any more */
        if (written <= 0)
            return;
        line->used -= (size_t)written;
        memmove(line->buffer, line->buffer + written, line->used);
    }
}

static void watch(struct screen_line *line, bool wanted)
{
    if (line->watched == wanted)
        return;
    line->watched = wanted;
    loop_change(line->loop, &line->source, wanted ? EPOLLOUT : 0);
}

static void on_writable(struct loop_source *source, uint32_t events)
{
    struct screen_line *line = source->context;
    char note[64];

    drain(line);
    if (line->used == 0 && line->dropped > 0) {
        int size = snprintf(note, sizeof note, "(%zu bytes left out)\n", line->dropped);
        line->dropped = 0;
        memcpy(line->buffer, note, (size_t)size);
        line->used = (size_t)size;
        drain(line);
    }
    if (line->used == 0) {
        watch(line, false);
        free(line->buffer);
        line->buffer = NULL;
    }
}

static void add_line(struct screen *screen, struct loop *loop, int fd)
{
    struct screen_line *line = &screen->lines[screen->count];

    *line = (struct screen_line){ .source = { .fd = fd, .on_event = on_writable, .context = line }, .loop = loop };
    /* A plain file can't be watched (EPERM), and never needs to be. */
    loop_add(loop, &line->source, 0);
    screen->count++;
}

void screen_open(struct screen *screen, struct loop *loop, bool console)
{
    int fds[SCREEN_LINES_MAX];
    size_t count = 0;

    *screen = (struct screen){ 0 };
    if (console)
        count = consoles_open(O_NONBLOCK, fds, SCREEN_LINES_MAX);
    if (count == 0) {
        fds[0] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        count = fds[0] >= 0;
    }
    for (size_t i = 0; i < count; i++)
        add_line(screen, loop, fds[i]);
}

static void write_line(struct screen_line *line, const char *text, size_t size)
{
    ssize_t written = 0;

    if (line->used == 0) {
        written = write(line->source.fd, text, size);
        if (written < 0 && errno != EAGAIN && errno != EINTR)
            return;
        written = written < 0 ? 0 : written;
    }
    text += written;
    size -= (size_t)written;
    if (size == 0)
        return;
    if (!line->buffer)
        line->buffer = malloc(SCREEN_BUFFER_BYTES);
    if (!line->buffer || size > SCREEN_BUFFER_BYTES - line->used) {
        line->dropped += size;
    } else {
        memcpy(line->buffer + line->used, text, size);
        line->used += size;
    }
    if (line->buffer)
        watch(line, true);
}

void screen_write(struct screen *screen, const char *text, size_t size)
{
    for (size_t i = 0; i < screen->count; i++)
        write_line(&screen->lines[i], text, size);
}

void screen_flush(struct screen *screen)
{
    uint64_t until = loop_now_ms() + FLUSH_MS;

    for (size_t i = 0; i < screen->count; i++) {
        while (screen->lines[i].used > 0 && loop_now_ms() < until) {
            drain(&screen->lines[i]);
            if (screen->lines[i].used > 0)
                usleep(2000);
        }
    }
}
