/* A bucket is one number: the time at which it is full again (the "theoretical arrival time" of ITU-T I.371's generic
 * cell rate algorithm). Each thing that is let through puts it off by one interval; it may be at most a burst from now.
 * A time that has gone by is a full bucket, so an empty place needs no mark. */

#include "contrib/directory/limiter.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SETS 8192
#define WAYS 8 /* places of a set: where a key may be */

static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "a hash is the mark of a bucket");

struct bucket {
    uint64_t key; /* hash */
    uint64_t full_us;
};

struct limiter {
    uint8_t secret[crypto_shorthash_KEYBYTES];
    uint64_t interval_us, burst_us;
    struct bucket sets[SETS][WAYS];
};

struct limiter *limiter_new(unsigned per_minute, unsigned burst_s)
{
    struct limiter *limiter = calloc(1, sizeof *limiter);

    if (!limiter)
        return NULL;
    crypto_shorthash_keygen(limiter->secret);
    limiter->interval_us = 60000000 / per_minute + (60000000 % per_minute != 0);
    limiter->burst_us = burst_s * UINT64_C(1000000);
    if (limiter->burst_us < limiter->interval_us)
        limiter->burst_us = limiter->interval_us;
    return limiter;
}

void limiter_free(struct limiter *limiter)
{
    free(limiter);
}

static struct bucket *find(struct limiter *limiter, uint64_t key)
{
    struct bucket *set = limiter->sets[key % SETS], *fullest = set;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_us < fullest->full_us)
            fullest = &set[i];
    }
    *fullest = (struct bucket){ .key = key };
    return fullest;
}

unsigned limiter_take(struct limiter *limiter, const void *key, size_t key_size, uint64_t now_us)
{
    uint64_t hash, full_us;

    crypto_shorthash((uint8_t *)&hash, key, key_size, limiter->secret);
    struct bucket *bucket = find(limiter, hash);
    full_us = (bucket->full_us > now_us ? bucket->full_us : now_us) + limiter->interval_us;
    if (full_us > now_us + limiter->burst_us)
        return (unsigned)((full_us - limiter->burst_us - now_us + 999999) / 1000000);
    bucket->full_us = full_us;
    return 0;
}
