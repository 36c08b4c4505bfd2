/* The bucket is kept as what was spent, which seeps away with time, so that a zeroed one is full. */

#include "zinit/bucket.h"

static void seep(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms)
{
    uint64_t back = (now_ms - bucket->at_ms) * rule->per_s / 1000;

    if (back == 0)
        return;
    bucket->spent = back < bucket->spent ? bucket->spent - (uint32_t)back : 0;
    bucket->at_ms = now_ms;
}

void bucket_spend(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms, size_t size)
{
    uint32_t most = 2 * rule->capacity;

    seep(bucket, rule, now_ms);
    bucket->spent = size < most - bucket->spent ? bucket->spent + (uint32_t)size : most;
}

bool bucket_is_empty(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms)
{
    seep(bucket, rule, now_ms);
    return bucket->spent >= rule->capacity;
}

bool bucket_take(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms, size_t size)
{
    if (bucket_is_empty(bucket, rule, now_ms))
        return false;
    bucket_spend(bucket, rule, now_ms, size);
    return true;
}
