#pragma once

/* Image layers (github.com/opencontainers/image-spec, layer.md): tar, plain or compressed with gzip or zstd, applied
 * one over the other. A layer is foreign: whatever it says, nothing outside the root is touched. Paths are resolved by
 * the kernel with the root as "/" (openat2, RESOLVE_IN_ROOT), names are made relative to the folder that was so found,
 * and no device node is ever made. */

#include "lib/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define LAYER_ENTRIES_MAX 1000000
#define LAYER_UNPACKED_BYTES_MAX (64ll * 1024 * 1024 * 1024)

/* What an image may still unpack; shared by its layers. */
struct layer_budget {
    int64_t entries;
    int64_t bytes;
};

/* Applies the archive in `path` to the folder `root` (a descriptor of it). `cancelled` may be NULL. 0, or REFUSED: the
 * folder is then half done and of no use. */
int layer_apply(const char *path, int root, struct layer_budget *budget, bool (*cancelled)(void *context),
                void *context, struct reason *reason);
