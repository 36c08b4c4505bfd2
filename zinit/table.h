#pragma once

/* A hash table of nodes that lie in what they stand for: nothing here allocates, so nothing here fails. Its size is
 * fixed: a supervisor of a thousand services finds each in one or two steps, one of ten thousand in about ten. Pure. */

#include <stdint.h>

#define TABLE_BUCKETS 1024 /* a power of two */

struct table_node {
    struct table_node *next;
    uint32_t hash;
};

struct table {
    struct table_node *buckets[TABLE_BUCKETS];
};

/* Adds a node, which is in no table and stays the caller's. Several may have the same hash. */
void table_add(struct table *table, struct table_node *node, uint32_t hash);
/* Fine when it isn't there. */
void table_remove(struct table *table, struct table_node *node);
/* Those of this hash, which the caller compares itself: the first, and the one after `node`; NULL at the end. */
struct table_node *table_first(struct table *table, uint32_t hash);
struct table_node *table_next(const struct table_node *node);

uint32_t table_hash_text(const char *text);
uint32_t table_hash_number(uint32_t number);
