#pragma once

/* Token buckets, one for each key, in a memory that doesn't grow: when there are more keys than places, the bucket
 * that is fullest makes room, for it loses the least (a full one nothing). Keys are told apart by a hash whose key is
 * random, so nobody can choose ones that share their place with another's. */

#include <stddef.h>
#include <stdint.h>

struct limiter;

/* Each key may `per_minute` (> 0), and at once what gathers in `burst_s`, at least one. NULL: no memory (1 MiB). */
struct limiter *limiter_new(unsigned per_minute, unsigned burst_s);
void limiter_free(struct limiter *limiter);

/* Takes one. 0: it was there; else in how many seconds it will be, rounded up. `now_us` never goes back. */
unsigned limiter_take(struct limiter *limiter, const void *key, size_t key_size, uint64_t now_us);
