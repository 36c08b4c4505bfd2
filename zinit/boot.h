#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What PID 1 of a machine does before it is a supervisor. */

/* Moves to a tmpfs root and begins anew from there (once), mounts the kernel's file systems, sets console and host
 * name. Goes on past whatever fails: a node that can't tell what is wrong is worse than one with a mount less. `argv`
 * is main's. Returns when it all began, in milliseconds after the kernel's start. */
uint64_t boot_machine(char **argv);

/* What follows `key` ("zos.hostname=") on the kernel's command line, up to the next blank; of several the last. False
 * when it isn't there or doesn't fit. */
bool boot_word(const char *key, char *ret_word, size_t size);
