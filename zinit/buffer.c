/* What was taken leaves a gap at the begin, which is closed when room is needed: each byte moves once at most for each
 * time that the buffer fills up. */

#include "zinit/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024
#define KEPT_BYTES 4096 /* a buffer larger than this is given back when it is empty */

size_t buffer_capacity_for(const struct buffer *buffer, size_t size)
{
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;

    while (capacity < buffer->used + size)
        capacity *= 2;
    return capacity;
}

int buffer_add(struct buffer *buffer, const char *bytes, size_t size)
{
    size_t capacity = buffer_capacity_for(buffer, size);

    if (buffer->start > 0 && buffer->start + buffer->used + size > buffer->capacity) {
        memmove(buffer->bytes, buffer_begin(buffer), buffer->used);
        buffer->start = 0;
    }
    if (capacity > buffer->capacity) {
        char *grown = realloc(buffer->bytes, capacity);
        if (!grown)
            return -ENOMEM;
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer_begin(buffer) + buffer->used, bytes, size);
    buffer->used += size;
    return 0;
}

void buffer_take(struct buffer *buffer, size_t size)
{
    buffer->used -= size;
    buffer->start = buffer->used ? buffer->start + size : 0;
    if (buffer->used == 0 && buffer->capacity > KEPT_BYTES)
        buffer_close(buffer);
}

void buffer_close(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){ 0 };
}
