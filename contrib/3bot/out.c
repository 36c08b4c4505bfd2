/* Everything that the command prints goes through here. */

#include "contrib/3bot/out.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

static struct {
    bool json, progress_shown;
    char progress[256];
    time_t progress_since;
} out;

void out_open(bool json)
{
    out.json = json;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

bool out_is_json(void)
{
    return out.json;
}

/* ---- Escaping */

/* Length of the UTF-8 sequence at `text` (RFC 3629, §4) and its code point; 0 when it isn't one. */
static size_t utf8_decode(const unsigned char *text, uint32_t *ret_point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = text[0] < 0x80                      ? 1
                    : text[0] >= 0xf0 && text[0] < 0xf8 ? 4
                    : text[0] >= 0xe0                   ? 3
                    : text[0] >= 0xc0                   ? 2
                                                        : 0;
    uint32_t point = length == 1 ? text[0] : text[0] & (0xffU >> (length + 1));

    if (!length || text[0] >= 0xf8)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (text[i] & 0x3f);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return 0;
    *ret_point = point;
    return length;
}

/* C0, C1 and DEL; line and paragraph separator; marks, embeddings, overrides and isolates of direction (Unicode, UAX #9
 * §2). */
static bool is_harmful(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x61c || (point >= 0x200e && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static size_t escape_one(char *to, uint32_t point, enum out_escape how)
{
    if (how != OUT_LINE && (point == '\n' || point == '\t'))
        return (size_t)sprintf(to, "%c", (char)point);
    if (how == OUT_JSON)
        return (size_t)sprintf(to, "\\u%04x", point);
    return (size_t)sprintf(to, point < 0x80 ? "\\x%02x" : "\\u{%x}", point);
}

char *out_escape(const char *text, enum out_escape how)
{
    char *escaped = malloc(strlen(text) * 8 + 1), *to = escaped;

    if (!escaped)
        return NULL;
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t point = *at;
        size_t length = utf8_decode(at, &point);
        if (!length) {
            to += sprintf(to, how == OUT_JSON ? "\\u%04x" : "\\x%02x", *at++);
        } else if (is_harmful(point)) {
            to += escape_one(to, point, how);
            at += length;
        } else {
            memcpy(to, at, length);
            to += length;
            at += length;
        }
    }
    *to = '\0';
    return escaped;
}

/* Formats, escapes and writes a line. */
static void write_line(FILE *stream, const char *prefix, const char *format, va_list arguments)
{
    cleanup_free char *text = NULL, *escaped = NULL;

    out_progress_end();
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
        return;
    }
    escaped = out_escape(text, OUT_LINE);
    fprintf(stream, "%s%s\n", prefix, escaped ? escaped : "(memory is out)");
}

/* ---- Results */

void out_line(const char *format, ...)
{
    va_list arguments;

    if (out.json)
        return;
    va_start(arguments, format);
    write_line(stdout, "", format, arguments);
    va_end(arguments);
}

void out_text(const char *text, const char *indent)
{
    cleanup_free char *escaped = out_escape(text, OUT_TEXT);

    if (out.json || !escaped)
        return;
    out_progress_end();
    for (char *line = escaped, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        printf("%s%.*s\n", indent, (int)(end - line), line);
        end += *end == '\n';
    }
}

void out_json(cJSON *value)
{
    cleanup_free char *text = out.json ? json_print(value) : NULL;
    cleanup_free char *escaped = text ? out_escape(text, OUT_JSON) : NULL;

    cJSON_Delete(value);
    if (!out.json)
        return;
    out_progress_end();
    puts(escaped ? escaped : "{\"error\":\"memory is out\"}");
}

void out_raw(const char *text)
{
    out_progress_end();
    puts(text);
}

int out_fail(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (out.json) {
        cleanup_free char *text = NULL;
        cJSON *object = cJSON_CreateObject();
        if (vasprintf(&text, format, arguments) < 0)
            text = NULL;
        cJSON_AddStringToObject(object, "error", text ? text : "memory is out");
        out_json(object);
    } else {
        write_line(stderr, "3bot: ", format, arguments);
    }
    va_end(arguments);
    return code;
}

void out_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(stderr, "3bot: warning: ", format, arguments);
    va_end(arguments);
}

/* ---- Progress */

static void rewrite_line(const char *text)
{
    struct winsize window = { .ws_col = 80 };
    char line[sizeof out.progress + 32];

    ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
    snprintf(line, sizeof line, "%s (%lld s)", text, (long long)(time(NULL) - out.progress_since));
    /* Cut by bytes rather than columns: never too wide, at worst shorter than it could be. */
    fprintf(stderr, "\r\033[K%.*s", window.ws_col > 1 ? window.ws_col - 1 : 79, line);
    fflush(stderr);
}

void out_progress(const char *format, ...)
{
    va_list arguments;
    char text[sizeof out.progress];
    cleanup_free char *escaped = NULL;
    bool changed;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    escaped = out_escape(text, OUT_LINE);
    changed = strcmp(out.progress, text) != 0;
    memcpy(out.progress, text, sizeof text);
    if (!out.progress_since)
        out.progress_since = time(NULL);
    if (isatty(STDERR_FILENO)) {
        rewrite_line(escaped ? escaped : "");
        out.progress_shown = true;
    } else if (changed) {
        fprintf(stderr, "%s\n", escaped ? escaped : "");
    }
}

void out_progress_end(void)
{
    if (out.progress_shown)
        fputs("\r\033[K", stderr);
    out.progress_shown = false;
}

/* ---- Tables */

static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

void out_table_row(struct out_table *table, size_t columns, ...)
{
    char **cells = realloc(table->cells, (table->rows + 1) * columns * sizeof *cells);
    va_list arguments;

    if (!cells)
        return;
    table->cells = cells;
    table->columns = columns;
    va_start(arguments, columns);
    for (size_t i = 0; i < columns; i++) {
        const char *text = va_arg(arguments, const char *);
        cells[table->rows * columns + i] = out_escape(text ? text : "", OUT_LINE);
    }
    va_end(arguments);
    table->rows++;
}

static void print_row(const struct out_table *table, size_t row, const size_t *widths)
{
    char *const *cells = table->cells + row * table->columns;
    size_t behind = 0; /* how far the last cell stands behind: nothing is padded for the sake of empty cells */

    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = cells[i] ? cells[i] : "";
        if (*cell) {
            printf("%*s%s", (int)behind, "", cell);
            behind = widths[i] - width_of(cell) + 2;
        } else {
            behind += widths[i] + 2;
        }
    }
    putchar('\n');
}

void out_table_end(struct out_table *table)
{
    size_t widths[16] = { 0 };

    out_progress_end();
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t width = table->cells[i] ? width_of(table->cells[i]) : 0;
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t row = 0; row < table->rows && !out.json; row++)
        print_row(table, row, widths);
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct out_table){ 0 };
}
