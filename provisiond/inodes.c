/* Linear probing at a load of at most one half. */

#include "provisiond/inodes.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_FIRST 256

static uint64_t *slot_of(uint64_t *slots, size_t room, uint64_t inode)
{
    size_t at = (size_t)(inode * 0x9e3779b97f4a7c15u) & (room - 1); /* Fibonacci hashing */

    while (slots[at] && slots[at] != inode)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static int grow(struct inodes *inodes)
{
    size_t room = inodes->room ? inodes->room * 2 : ROOM_FIRST;
    uint64_t *slots = calloc(room, sizeof *slots);

    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < inodes->room; i++)
        if (inodes->slots[i])
            *slot_of(slots, room, inodes->slots[i]) = inodes->slots[i];
    free(inodes->slots);
    inodes->slots = slots;
    inodes->room = room;
    return 0;
}

int inodes_add(struct inodes *inodes, uint64_t inode)
{
    uint64_t *slot;

    if (inodes->count * 2 >= inodes->room && grow(inodes) < 0)
        return -ENOMEM;
    slot = slot_of(inodes->slots, inodes->room, inode);
    inodes->count += *slot == 0;
    *slot = inode;
    return 0;
}

bool inodes_has(const struct inodes *inodes, uint64_t inode)
{
    return inodes->room && *slot_of(inodes->slots, inodes->room, inode) == inode;
}

void inodes_close(struct inodes *inodes)
{
    free(inodes->slots);
    *inodes = (struct inodes){ 0 };
}
