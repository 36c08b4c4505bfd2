/* A byte ring of records, each a struct record and its text, laid out without padding and wrapping anywhere. */

#include "zinit/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256 /* a thousand services that said little are to be small */

struct record {
    uint64_t order;
    uint64_t time_ms : 48, size : 13, level : 3;
};

_Static_assert(RING_LINE_BYTES_MAX < 1 << 13, "the size has 13 bits");

void ring_open(struct ring *ring, uint32_t limit)
{
    uint32_t least = sizeof(struct record) + RING_LINE_BYTES_MAX;

    *ring = (struct ring){ .limit = limit < least ? least : limit };
}

void ring_close(struct ring *ring)
{
    free(ring->bytes);
    *ring = (struct ring){ .limit = ring->limit };
}

/* Where the byte at this offset is. */
static size_t place(const struct ring *ring, size_t offset)
{
    size_t at = ring->start + offset;

    return at < ring->capacity ? at : at - ring->capacity;
}

static void copy_out(const struct ring *ring, size_t offset, void *to, size_t size)
{
    size_t at = place(ring, offset);
    size_t first = size < ring->capacity - at ? size : ring->capacity - at;

    memcpy(to, ring->bytes + at, first);
    if (first < size)
        memcpy((char *)to + first, ring->bytes, size - first);
}

static void copy_in(struct ring *ring, const void *from, size_t size)
{
    size_t at = place(ring, ring->used);
    size_t first = size < ring->capacity - at ? size : ring->capacity - at;

    memcpy(ring->bytes + at, from, first);
    if (first < size)
        memcpy(ring->bytes, (const char *)from + first, size - first);
    ring->used += (uint32_t)size;
}

/* Doubles until `need` more bytes fit or the limit is reached. */
static int grow(struct ring *ring, size_t need)
{
    uint32_t capacity = ring->capacity ? ring->capacity : FIRST_CAPACITY;
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
    struct record record;
    size_t size;

    copy_out(ring, 0, &record, sizeof record);
    size = sizeof record + record.size;
    ring->start = (uint32_t)place(ring, size);
    ring->used -= (uint32_t)size;
    ring->lines--;
    if (ring->fresh > ring->used)
        ring->fresh = ring->used;
}

int ring_add(struct ring *ring, struct ring_line line, const char *text)
{
    size_t size = line.size < RING_LINE_BYTES_MAX ? line.size : RING_LINE_BYTES_MAX;
    struct record record = { line.order, (uint64_t)line.time_ms, size, (unsigned)line.level };
    size_t need = sizeof record + size;

    if (ring->used + need > ring->capacity && grow(ring, need) < 0 && need > ring->capacity)
        return -ENOMEM;
    while (ring->used + need > ring->capacity)
        forget_oldest(ring);
    copy_in(ring, &record, sizeof record);
    copy_in(ring, text, size);
    ring->fresh += (uint32_t)need;
    ring->lines++;
    return 0;
}

void ring_keep_lines(struct ring *ring, uint32_t lines_max)
{
    while (ring->lines > lines_max)
        forget_oldest(ring);
}

bool ring_next(const struct ring *ring, size_t *cursor, struct ring_line *ret_line, char *ret_text)
{
    struct record record;

    if (*cursor >= ring->used)
        return false;
    copy_out(ring, *cursor, &record, sizeof record);
    *ret_line = (struct ring_line){ (int64_t)record.time_ms, record.order, record.level, record.size };
    if (ret_text) {
        copy_out(ring, *cursor + sizeof record, ret_text, record.size);
        ret_text[record.size] = '\0';
    }
    *cursor += sizeof record + record.size;
    return true;
}

size_t ring_bytes(const struct ring_line *line)
{
    return sizeof(struct record) + line->size;
}

size_t ring_fresh(const struct ring *ring)
{
    return ring->used - ring->fresh;
}

void ring_passed_on(struct ring *ring, size_t cursor)
{
    ring->fresh = ring->used - (uint32_t)cursor;
}
