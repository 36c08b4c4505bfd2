/* Chains from a fixed row of buckets. Texts are hashed by FNV-1a (Fowler, Noll, Vo), numbers by a multiplication with
 * 2^32 over the golden ratio (Knuth, The Art of Computer Programming, volume 3, 6.4): the bucket is made of the upper
 * bits. */

#include "zinit/table.h"

#include <stddef.h>

#define BUCKET_SHIFT (32 - 10)

_Static_assert(TABLE_BUCKETS == 1 << (32 - BUCKET_SHIFT), "the buckets are numbered by the upper bits of a hash");

uint32_t table_hash_number(uint32_t number)
{
    return number * UINT32_C(2654435769);
}

uint32_t table_hash_text(const char *text)
{
    uint32_t hash = UINT32_C(2166136261);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
    return table_hash_number(hash);
}

static struct table_node *match(struct table_node *node, uint32_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

void table_add(struct table *table, struct table_node *node, uint32_t hash)
{
    struct table_node **bucket = &table->buckets[hash >> BUCKET_SHIFT];

    *node = (struct table_node){ .next = *bucket, .hash = hash };
    *bucket = node;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **place = &table->buckets[node->hash >> BUCKET_SHIFT];

    while (*place && *place != node)
        place = &(*place)->next;
    if (*place)
        *place = node->next;
}

struct table_node *table_first(struct table *table, uint32_t hash)
{
    return match(table->buckets[hash >> BUCKET_SHIFT], hash);
}

struct table_node *table_next(const struct table_node *node)
{
    return match(node->next, node->hash);
}
