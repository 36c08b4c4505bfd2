/* Log lines: formatted into a fixed buffer and written with one write(2), so that lines of several threads or processes
 * on one pipe don't mix (PIPE_BUF is 4096). No allocation: it works when memory is out. */

#include "lib/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048

static const char *log_program = "zos";
static bool log_debug_on;

void log_open(const char *program)
{
    const char *debug = getenv("LOG_DEBUG");

    log_program = program;
    log_debug_on = debug && strcmp(debug, "0") != 0;
}

/* Copies text with control characters escaped; returns how many bytes were written, at most `size`. */
static size_t escape(const char *text, char *out, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7f) {
            if (used + 1 > size)
                break;
            out[used++] = (char)c;
        } else {
            if (used + 4 > size)
                break;
            memcpy(out + used, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
            used += 4;
        }
    }
    return used;
}

static void write_line(int level, const char *format, va_list arguments, int error)
{
    char text[LOG_LINE_BYTES / 2], line[LOG_LINE_BYTES];
    size_t used;

    vsnprintf(text, sizeof text, format, arguments);
    used = (size_t)snprintf(line, sizeof line, "<%d>%s: ", level, log_program);
    used += escape(text, line + used, sizeof line - used - 128);
    if (error)
        used += (size_t)snprintf(line + used, sizeof line - used - 1, ": %s", strerror(error));
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* nowhere left to say so */
}

#define WRITE_LINE(level, error)                                                                                       \
    do {                                                                                                               \
        va_list arguments;                                                                                             \
        va_start(arguments, format);                                                                                   \
        write_line(level, format, arguments, error);                                                                   \
        va_end(arguments);                                                                                             \
    } while (0)

void log_error(const char *format, ...)
{
    WRITE_LINE(3, 0);
}

void log_warning(const char *format, ...)
{
    WRITE_LINE(4, 0);
}

void log_info(const char *format, ...)
{
    WRITE_LINE(6, 0);
}

void log_debug(const char *format, ...)
{
    if (log_debug_on)
        WRITE_LINE(7, 0);
}

int log_fail(int error, const char *format, ...)
{
    WRITE_LINE(3, -error);
    return error;
}
