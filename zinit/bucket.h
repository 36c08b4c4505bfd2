#pragma once

/* A token bucket: so many units (bytes, µs) at once, so many a second in the long run. Pure: the time is the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What buckets of one kind share. */
struct bucket_rule {
    uint32_t capacity; /* at most UINT32_MAX / 2 */
    uint32_t per_s;
};

/* Zeroed it is full. */
struct bucket {
    uint64_t at_ms; /* when `spent` was so */
    uint32_t spent; /* of the capacity; beyond it: owed */
};

/* Takes `size` out when it isn't empty; what doesn't fit any more counts as owed, at most the capacity. False: empty.
 */
bool bucket_take(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms, size_t size);
/* Takes it out of an empty one too. */
void bucket_spend(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms, size_t size);
bool bucket_is_empty(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms);
