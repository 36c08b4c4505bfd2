/* A byte ring of records, each a struct ring_line and its text, laid out without padding and wrapping anywhere. */

#include "zinit/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024

void ring_open(struct ring *ring, size_t limit)
{
    size_t least = sizeof(struct ring_line) + RING_LINE_BYTES_MAX;

    *ring = (struct ring){ .limit = limit < least ? least : limit };
}

void ring_close(struct ring *ring)
{
    free(ring->bytes);
    *ring = (struct ring){ .limit = ring->limit };
}

static void copy_out(const struct ring *ring, size_t offset, void *to, size_t size)
{
    size_t at = (ring->start + offset) % ring->capacity;
    size_t first = size < ring->capacity - at ? size : ring->capacity - at;

    memcpy(to, ring->bytes + at, first);
    memcpy((char *)to + first, ring->bytes, size - first);
}

static void copy_in(struct ring *ring, const void *from, size_t size)
{
    size_t at = (ring->start + ring->used) % ring->capacity;
    size_t first = size < ring->capacity - at ? size : ring->capacity - at;

    memcpy(ring->bytes + at, from, first);
    memcpy(ring->bytes, (const char *)from + first, size - first);
    ring->used += size;
}

/* Doubles until `need` more bytes fit or the limit is reached. */
static int grow(struct ring *ring, size_t need)
{
    size_t capacity = ring->capacity ? ring->capacity : FIRST_CAPACITY;
    char *bytes;

    while (capacity < ring->used + need && capacity < ring->limit)
        capacity *= 2;
    if (capacity > ring->limit)
        capacity = ring->limit;
    if (capacity == ring->capacity)
        return 0;
    bytes = malloc(capacity);
    if (!bytes)
        return -ENOMEM;
    if (ring->used)
        copy_out(ring, 0, bytes, ring->used);
    free(ring->bytes);
    ring->bytes = bytes;
    ring->capacity = capacity;
    ring->start = 0;
    return 0;
}

static void forget_oldest(struct ring *ring)
{
    struct ring_line line;
    size_t size;

    copy_out(ring, 0, &line, sizeof line);
    size = sizeof line + line.size;
    ring->start = (ring->start + size) % ring->capacity;
    ring->used -= size;
}

int ring_add(struct ring *ring, struct ring_line line, const char *text)
{
    size_t need;

    if (line.size > RING_LINE_BYTES_MAX)
        line.size = RING_LINE_BYTES_MAX;
    need = sizeof line + line.size;
    if (ring->used + need > ring->capacity && grow(ring, need) < 0 && need > ring->capacity)
        return -ENOMEM;
    while (ring->used + need > ring->capacity)
        forget_oldest(ring);
    copy_in(ring, &line, sizeof line);
    copy_in(ring, text, line.size);
    return 0;
}

bool ring_next(const struct ring *ring, size_t *cursor, struct ring_line *ret_line,
               char ret_text[static RING_LINE_BYTES_MAX + 1])
{
    if (*cursor >= ring->used)
        return false;
    copy_out(ring, *cursor, ret_line, sizeof *ret_line);
    copy_out(ring, *cursor + sizeof *ret_line, ret_text, ret_line->size);
    ret_text[ret_line->size] = '\0';
    *cursor += sizeof *ret_line + ret_line->size;
    return true;
}
