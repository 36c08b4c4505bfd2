#pragma once

/* A container's user as its image or contract names it. */

#include "lib/reason.h"

#include <stdint.h>

struct user {
    uint32_t uid, gid;
};

/* "", "user", "user:group", each a name or a number. Names are looked up in etc/passwd and etc/group below `rootfs` (a
 * descriptor, -1: no names), which are foreign files: opened inside the root, and read bounded. A number without a
 * group takes the group of that user in etc/passwd, else 0. 0, or REFUSED. */
int user_find(const char *text, int rootfs, struct user *ret_user, struct reason *reason);
