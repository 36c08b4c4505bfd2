#pragma once

/* A heap that says which of many is first, of nodes that lie in what they stand for: nothing here allocates, so nothing
 * here fails. Pure. */

#include <stdint.h>

struct heap_node {
    uint64_t key;
    /* private */
    struct heap_node *child, *next;
    struct heap_node *previous; /* the sibling before it, or its parent when it is the first child */
};

struct heap {
    struct heap_node *first; /* of the least key; NULL: empty */
};

/* Adds a node, which is in no heap and stays the caller's. Takes the same time however many there are. */
void heap_add(struct heap *heap, struct heap_node *node, uint64_t key);
/* Takes out any node of this heap, in time that grows with the logarithm of their number (amortised). */
void heap_remove(struct heap *heap, struct heap_node *node);
