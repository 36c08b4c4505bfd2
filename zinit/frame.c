/* Each line is put in its place and its rest cleared, so that nothing flickers and nothing scrolls. The margins of the
 * scrolling region (DECSTBM) are set when the page's height changes only, since that moves the cursor; else the cursor
 * is put back where others had it (DECSC, DECRC).
 *
 *      1  page            code
 *         ...             ....
 *         warnings
 * height  ----------------------
 *         what others write, scrolling: at least a third of the screen, so that a panic's last lines are seen */

#include "zinit/frame.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_COLUMNS_MIN 60 /* below that a code isn't worth the lines that it breaks */
#define PAGE_COLUMNS_MAX 120
#define DATED_BYTES 20 /* "2026-11-25T10:00:00 " */
#define WARNINGS_MIN 3 /* as many have room, however long the page is */

/* Rows of page and warnings together. */
static unsigned room_rows(const struct frame *frame)
{
    return frame->rows - frame->rows / 3 - 1;
}

void frame_room(const struct frame *frame, const struct qr *qr, const cJSON *warnings, unsigned *ret_columns,
                unsigned *ret_rows, bool *ret_with_qr)
{
    unsigned count = (unsigned)cJSON_GetArraySize(warnings);
    unsigned columns = frame->columns - 1, rows = room_rows(frame) - (count < WARNINGS_MIN ? count : WARNINGS_MIN);

    *ret_with_qr = qr && columns > PAGE_COLUMNS_MIN + qr->columns && rows >= qr->lines;
    if (*ret_with_qr)
        columns -= qr->columns + 1;
    *ret_columns = columns < PAGE_COLUMNS_MAX ? columns : PAGE_COLUMNS_MAX;
    *ret_rows = rows;
}

/* Puts a line, `size` bytes of ASCII, into a row. What is behind it there is cleared, up to the code where there is
 * one. */
static void put(FILE *out, unsigned row, const char *text, size_t size, const struct frame *frame, const struct qr *qr)
{
    if (qr && row <= qr->lines)
        fprintf(out, "\033[%u;1H%-*.*s", row, (int)(frame->columns - 1 - qr->columns), (int)size, text);
    else
        fprintf(out, "\033[%u;1H%.*s\033[K", row, (int)size, text);
}

static unsigned put_plain(FILE *out, const char *text, size_t size, unsigned columns)
{
    unsigned used = 0;

    for (size_t i = 0; i < size && text[i] && used < columns; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            fputc(text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?', out);
            used++;
        }
    return used;
}

/* A warning as it fits on one row, as ASCII: what comes from services must not drive the terminal. Of
 * "2026-11-25T10:00:00 netd: netd: ..." (history.h) the day goes, and the name when it is there twice. */
static void put_warning(FILE *out, unsigned row, const char *text, unsigned columns)
{
    const char *name = strlen(text) > DATED_BYTES && text[10] == 'T' ? text + DATED_BYTES : text;
    const char *end = strstr(name, ": ");
    size_t size = end ? (size_t)(end + 2 - name) : 0;
    unsigned used;

    fprintf(out, "\033[%u;1H  ", row);
    used = 2 + (name > text ? put_plain(out, text + 11, DATED_BYTES - 11, columns - 2) : 0);
    if (size > 0 && strncmp(name, name + size, size) == 0)
        name += size;
    put_plain(out, name, SIZE_MAX, columns - used);
    fputs("\033[K", out);
}

/* The page; rows beside the code that it leaves are cleared. Gives how many rows both take. */
static unsigned put_lines(FILE *out, const char *page, const struct frame *frame, const struct qr *qr)
{
    unsigned row = 0;

    for (const char *end; (end = strchr(page, '\n')); page = end + 1)
        put(out, ++row, page, (size_t)(end - page), frame, qr);
    while (qr && row < qr->lines)
        put(out, ++row, "", 0, frame, qr);
    return row;
}

static void put_qr(FILE *out, const struct qr *qr, unsigned columns)
{
    const char *text = qr->text;
    unsigned row = 0;

    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        fprintf(out, "\033[%u;%uH%.*s", ++row, columns - qr->columns, (int)(end - text), text);
}

static unsigned put_warnings(FILE *out, const cJSON *warnings, unsigned row, unsigned rows, unsigned columns)
{
    int count = cJSON_GetArraySize(warnings), room = (int)rows - (int)row;

    for (int i = count > room ? count - room : 0; i < count; i++) {
        const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(warnings, i));
        put_warning(out, ++row, text ? text : "?", columns);
    }
    return row;
}

/* Under the page a line across, then the region; the cursor goes to its last row when the region changes, since it may
 * stand where the page is now. */
static void put_border(FILE *out, struct frame *frame, unsigned height)
{
    fprintf(out, "\033[%u;1H", height);
    for (unsigned i = 1; i < frame->columns; i++)
        fputc('-', out);
    fputs("\033[K", out);
    for (unsigned row = height + 1; row <= frame->height; row++)
        put(out, row, "", 0, frame, NULL);
    if (height == frame->height)
        fputs("\0338", out);
    else
        fprintf(out, "\033[%u;%ur\033[%u;1H", height + 1, frame->rows, frame->rows);
    frame->height = height;
}

char *frame_draw(struct frame *frame, const char *page, const struct qr *qr, const cJSON *warnings)
{
    char *text = NULL;
    size_t size;
    unsigned height;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fputs("\0337\033[m", out);
    height = put_lines(out, page, frame, qr);
    if (qr)
        put_qr(out, qr, frame->columns);
    height = put_warnings(out, warnings, height, room_rows(frame), frame->columns - 1);
    put_border(out, frame, height + 1);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

char *frame_end(struct frame *frame)
{
    char *text = NULL;

    if (frame->height == 0 || asprintf(&text, "\0337\033[r\0338") < 0)
        return NULL;
    frame->height = 0;
    return text;
}
