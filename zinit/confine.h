#pragma once

/* What a unit takes away from its processes: done in the child, before its program begins. */

#include "zinit/unit.h"

/* The steps on the way to the program; each but the last is called as its key in the unit. */
enum confine_step {
    CONFINE_OUTPUT,
    CONFINE_NOFILE,
    CONFINE_READ_ONLY,
    CONFINE_WRITABLE,
    CONFINE_USER,
    CONFINE_CAPABILITIES,
    CONFINE_NO_NEW_PRIVS,
    CONFINE_DIR,
    CONFINE_EXEC,
};

/* Limits on descriptors, a mount namespace, the user, capabilities, no_new_privs and the folder, in this order. 0, or
 * -1 with errno and *ret_step, which is where it failed. */
int confine(const struct unit *unit, enum confine_step *ret_step);

/* What failed, in words: `can't set up user "web": there is no such user or group`. */
void confine_describe(const struct unit *unit, const char *program, enum confine_step step, int error, char *text,
                      size_t size);
