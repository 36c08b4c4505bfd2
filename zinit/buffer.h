#pragma once

/* Bytes in a row: added at the end, taken from the begin. Pure. */

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *bytes;
    size_t start, used; /* `used` bytes from bytes[start] on */
    size_t capacity;
};

/* What buffer->capacity becomes when `size` bytes are added. */
size_t buffer_capacity_for(const struct buffer *buffer, size_t size);
/* 0, or -ENOMEM with the buffer as it was. */
int buffer_add(struct buffer *buffer, const char *bytes, size_t size);
/* Forgets the first `size` bytes; a large buffer that becomes empty is given back. */
void buffer_take(struct buffer *buffer, size_t size);
void buffer_close(struct buffer *buffer);

static inline char *buffer_begin(const struct buffer *buffer)
{
    return buffer->bytes + buffer->start;
}
