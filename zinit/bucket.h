#pragma once

/* A token bucket: so many bytes at once, so many a second in the long run. Pure: the time is the caller's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket {
    size_t capacity, per_s;
    size_t spent;   /* of the capacity */
    uint64_t at_ms; /* when `spent` was so */
};

/* Takes `size` out when it isn't empty; what doesn't fit any more counts as owed, at most the capacity. False: empty.
 */
bool bucket_take(struct bucket *bucket, uint64_t now_ms, size_t size);
