#pragma once

/* A set of inode numbers (open addressing, doubling; 0 is no inode). A zeroed one is empty. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inodes {
    uint64_t *slots;
    size_t room, count;
};

/* 0, or -ENOMEM. */
int inodes_add(struct inodes *inodes, uint64_t inode);
bool inodes_has(const struct inodes *inodes, uint64_t inode);
void inodes_close(struct inodes *inodes);
