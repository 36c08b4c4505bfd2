#pragma once

/* The consoles that the kernel was told of: screen, serial lines. */

#include <stddef.h>

/* Opens them for writing, at most `max`, with `flags` of open(2) besides. Gives how many. */
size_t consoles_open(int flags, int ret_fds[], size_t max);
