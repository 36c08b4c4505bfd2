#pragma once

/* Doubly linked lists without memory of their own: the links lie in what is listed. A head alone points to itself, and
 * so does what is in no list. */

#include <stddef.h>

struct ring {
    struct ring *previous, *next;
};

static inline void ring_init(struct ring *ring)
{
    ring->previous = ring->next = ring;
}

/* At the end of the list. */
static inline void ring_add(struct ring *head, struct ring *item)
{
    item->previous = head->previous;
    item->next = head;
    head->previous->next = item;
    head->previous = item;
}

static inline void ring_remove(struct ring *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    ring_init(item);
}

#define ring_owner(ring, type, member) ((type *)((char *)(ring)-offsetof(type, member)))
