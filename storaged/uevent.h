#pragma once

/* The kernel's word that a disk was plugged in, changed, or taken away. */

#include "storaged/state.h"

struct uevent {
    char action[16];
    char device[DISK_NAME_BYTES]; /* "sda", "sda1" */
    bool is_disk;                 /* rather than a partition */
};

/* Reads one message: "add@/devices/…" and then KEY=value texts, each ended by a NUL. false when it isn't about a block
 * device. */
bool uevent_parse(const char *message, size_t size, struct uevent *ret_event);

/* Listens, and scans (storaged/apply.h) shortly after an event. 0, or negative errno, logged: then only the regular
 * scan sees what changed. */
int uevent_open(struct state *state);
