#pragma once

/* A node's settings, from the kernel command line, over the boot medium, over the initramfs (initramfs/README.md). */

#include "lib/cosignature.h"
#include "lib/note.h"
#include "lib/reason.h"
#include "lib/statement.h"

#define SETTINGS_CMDLINE "/proc/cmdline"
#define SETTINGS_BOOT_MEDIUM "/run/zos/node.json" /* storaged's copy of zos/node.json of the partition ZOSBOOT */
#define SETTINGS_INITRAMFS "/etc/zos/node.json"

struct settings {
    char *directory;    /* "https://…" without a slash at the end; NULL: none given */
    char *directory_ca; /* PEM; NULL: the authorities of the image */
    bool has_key;
    struct note_verifier directory_key;
    struct cosignature_policy witnesses; /* without whose quorum the node takes up nothing; quorum 0: none asked for */
    char *invite;                        /* the envelope's JSON text; NULL: none given */
    cJSON *network;                      /* netd's part, or NULL */
    cJSON *storage;                      /* storaged's part, or NULL */
};

/* Merges the three sources (those under `root`, "" on a node). A source that is missing is passed over; one that is
 * wrong is passed over whole, and `reason` (empty when all is well) says which and why. Always leaves a valid struct.
 * 0, or -ENOMEM. */
int settings_read(const char *root, struct settings *ret_settings, struct reason *reason);
void settings_close(struct settings *settings);
