#pragma once

/* Content of a registry by digest: small documents into memory, blobs into files, with the anonymous token that public
 * registries ask for (distribution specification; docs.docker.com/registry/spec/auth/token). */

#include "lib/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch {
    bool plain_http;
    const char *registry, *repository;
    char ca_file[256]; /* "" : the library's */
    bool (*cancelled)(void *context);
    void *context;
    char *authorization; /* private: "Authorization: Bearer …", or NULL */
};

/* `kind`: "manifests" or "blobs". The body (the caller's, free()) is what the digest says. 0, or REFUSED. */
int fetch_document(struct fetch *fetch, const char *kind, const char *digest, size_t size_max, char **ret_body,
                   size_t *ret_size, struct reason *reason);

/* Fetches a blob of exactly `size` bytes to `path`, by way of `path`.part, where a later try goes on; durable and
 * checked when it has its name. A file that is there already is taken as it is. 0, or REFUSED. */
int fetch_blob(struct fetch *fetch, const char *digest, int64_t size, const char *path, struct reason *reason);

void fetch_close(struct fetch *fetch);

/* One parameter of a WWW-Authenticate header (RFC 9110 §11.6.1): name="value". false when it isn't there or too long.
 */
bool fetch_challenge(const char *header, const char *name, char *ret_value, size_t size);
