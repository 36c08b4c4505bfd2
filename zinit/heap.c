/* A pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap", 1986): a tree whose parents come before
 * their children. Two trees are melded by hanging the later one below the other; when a root goes, its children are
 * melded in pairs, and the pairs from the last to the first. */

#include "zinit/heap.h"

#include <stddef.h>

/* Melds two roots without siblings; either may be NULL. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->key < a->key) {
        struct heap_node *other = a;
        a = b;
        b = other;
    }
    b->previous = a;
    b->next = a->child;
    if (b->next)
        b->next->previous = b;
    a->child = b;
    return a;
}

/* Makes siblings one tree. The pairs are chained by `next`, the last one first. */
static struct heap_node *merge_pairs(struct heap_node *sibling)
{
    struct heap_node *pairs = NULL, *root = NULL;

    while (sibling) {
        struct heap_node *a = sibling, *b = a->next;
        sibling = b ? b->next : NULL;
        a->next = a->previous = NULL;
        if (b)
            b->next = b->previous = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct heap_node *rest = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

static void cut(struct heap_node *node)
{
    if (node->next)
        node->next->previous = node->previous;
    if (node->previous->child == node)
        node->previous->child = node->next;
    else
        node->previous->next = node->next;
}

void heap_add(struct heap *heap, struct heap_node *node, uint64_t key)
{
    *node = (struct heap_node){ .key = key };
    heap->first = meld(heap->first, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *below = merge_pairs(node->child);

    if (node == heap->first) {
        heap->first = below;
    } else {
        cut(node);
        heap->first = meld(heap->first, below);
    }
    *node = (struct heap_node){ 0 };
}
