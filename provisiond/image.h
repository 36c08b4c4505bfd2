#pragma once

/* Images from a registry that speaks the OCI distribution protocol (github.com/opencontainers/distribution-spec), by
 * digest: every byte is checked against it, so plain HTTP is safe against change, and nothing is fetched twice.
 *
 *   images/<manifest digest>/rootfs        the layers, unpacked; there only when all of it is
 *   images/<manifest digest>/config.json   the image's configuration
 *   images/<manifest digest>.part/         layers/<digest>[.part], what is being fetched; rootfs, what is being
 * unpacked */

#include "lib/reason.h"

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_MANIFEST_BYTES_MAX (4u * 1024 * 1024) /* the distribution specification's own bound */
#define IMAGE_CONFIG_BYTES_MAX (4u * 1024 * 1024)
#define IMAGE_BLOB_BYTES_MAX (16ll * 1024 * 1024 * 1024)
#define IMAGE_LAYERS_MAX 128 /* what overlay-based runtimes allow as well */

struct image_request {
    const char *name; /* "registry.example[:port]/shop/web[:tag]@sha256:…" */
    bool plain_http;
    const char *folder; /* images/ */
    const char *root;   /* where etc/ssl/ca.pem is looked for */
    bool (*cancelled)(void *context);
    void *context;
};

/* Fetches and unpacks. What is there already is left as it is. Blocks. 0, or REFUSED with the step that failed. */
int image_pull(const struct image_request *request, struct reason *reason);

/* The parts of a name. 0, or REFUSED. */
struct image_name {
    char registry[256];
    char repository[256];
    char digest[72]; /* "sha256:" and 64 digits */
};
int image_parse_name(const char *name, struct image_name *ret_name, struct reason *reason);
