#pragma once

/* Whose a new volume is. storaged makes its top folder root's; a container that runs as somebody else is to find it as
 * its image has the folder that the volume takes the place of. */

#include "lib/reason.h"
#include "provisiond/user.h"

/* Gives the volume's top folder (a path of storaged's) the owner and mode of the folder `target` in the image `rootfs`
 * (a descriptor, -1: none; the path is foreign, and resolved inside of it), or else to the user; only the first time,
 * and only when the volume is empty and still root's. A mark on the folder remembers it. 0, or REFUSED. */
int owner_give(const char *volume, int rootfs, const char *target, const struct user *user, struct reason *reason);
