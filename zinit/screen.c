/* Consoles. /sys/class/tty/console/active names them, e.g. "tty0 ttyS0"; without sysfs /dev/console has to do. */

#include "zinit/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACTIVE_CONSOLES "/sys/class/tty/console/active"
#define FLUSH_MS 1000

static size_t open_consoles(int ret_fds[], size_t max)
{
    char names[256] = "", *rest = names;
    int active = open(ACTIVE_CONSOLES, O_RDONLY | O_CLOEXEC);
    size_t count = 0;

    if (active >= 0) {
        ssize_t size = read(active, names, sizeof names - 1);
        names[size > 0 ? size : 0] = '\0';
        close(active);
    }
    for (char *name = strsep(&rest, " \n"); name && count < max; name = strsep(&rest, " \n")) {
        char path[64];
        if (!*name)
            continue;
        snprintf(path, sizeof path, "/dev/%.50s", name);
        ret_fds[count] = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (ret_fds[count] >= 0)
            count++;
    }
    if (count == 0 && max > 0) {
        ret_fds[0] = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        count = ret_fds[0] >= 0;
    }
    return count;
}

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
        count = open_consoles(fds, SCREEN_LINES_MAX);
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
