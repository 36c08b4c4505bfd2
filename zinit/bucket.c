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

bool bucket_take(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms, size_t size)
{
    if (bucket_wait_ms(bucket, rule, now_ms, 1) > 0)
        return false;
    bucket_spend(bucket, rule, now_ms, size);
    return true;
}

uint64_t bucket_wait_ms(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms, uint32_t room)
{
    uint32_t most = rule->capacity - room;

    seep(bucket, rule, now_ms);
    return bucket->spent <= most ? 0 : ((bucket->spent - most) * UINT64_C(1000) + rule->per_s - 1) / rule->per_s;
}
