/* The bucket is kept as what was spent, which seeps away with time, so that a zeroed one is full. */

#include "zinit/bucket.h"

bool bucket_take(struct bucket *bucket, uint64_t now_ms, size_t size)
{
    uint64_t back = (now_ms - bucket->at_ms) * bucket->per_s / 1000;

    if (back > 0) {
        bucket->spent = back < bucket->spent ? bucket->spent - (size_t)back : 0;
        bucket->at_ms = now_ms;
    }
    if (bucket->spent >= bucket->capacity)
        return false;
    bucket->spent += size;
    if (bucket->spent > 2 * bucket->capacity)
        bucket->spent = 2 * bucket->capacity;
    return true;
}
