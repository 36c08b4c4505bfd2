#pragma once

/* The last lines of a service, bounded in bytes: a ring that grows as it fills, up to its limit, and then forgets the
 * oldest. Pure: no clock, no descriptor. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_LINE_BYTES_MAX 4096

struct ring {
    char *bytes;
    uint32_t capacity; /* of `bytes` */
    uint32_t limit;    /* the most that capacity may become */
    uint32_t start, used;
    uint32_t fresh; /* of `used`: the bytes of lines that weren't passed on yet, the newest */
    uint32_t lines;
};

struct ring_line {
    int64_t time_ms; /* since 1970 */
    uint64_t order;  /* ascending over all rings, so that they can be merged */
    int level;       /* syslog's */
    size_t size;     /* of the text, without line end or NUL */
};

/* `limit` bytes at most are ever used; at least that of one longest line. */
void ring_open(struct ring *ring, uint32_t limit);
void ring_close(struct ring *ring);

/* Adds a line; a text beyond RING_LINE_BYTES_MAX is cut. 0, or -ENOMEM: the line isn't kept. */
int ring_add(struct ring *ring, struct ring_line line, const char *text);
/* Forgets the oldest until there are at most so many. */
void ring_keep_lines(struct ring *ring, uint32_t lines_max);

/* Walks from the oldest line (cursor 0) to the newest: gives the line and its text (NUL-terminated; NULL: isn't wanted)
 * and moves *cursor on. False at the end. */
bool ring_next(const struct ring *ring, size_t *cursor, struct ring_line *ret_line, char *ret_text);

/* What a line takes in a ring. */
size_t ring_bytes(const struct ring_line *line);

/* The cursor of the first line that wasn't passed on; and: all before this cursor was. */
size_t ring_fresh(const struct ring *ring);
void ring_passed_on(struct ring *ring, size_t cursor);
