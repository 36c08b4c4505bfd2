#pragma once

/* A container's bundle (github.com/opencontainers/runtime-spec) in PATHS_CONTAINERS/<service>/: config.json for crun,
 * launch.json for launch.c, and the files that are mounted over /etc. It lies on tmpfs alone, mode 0700, because it
 * holds opened secrets. */

#include "provisiond/paths.h"

#include "lib/json.h"

struct bundle_request {
    const char *service;
    const cJSON *workload; /* checked */
    const struct paths *paths;
    const cJSON *volumes;  /* {volume workload: path}, "" for the root volume */
    const cJSON *endpoint; /* netd's endpoint.attach */
    const uint8_t *sealing_public, *sealing_secret;
};

/* Writes the whole bundle: complete or not there at all. 0, or REFUSED. */
int bundle_write(const struct bundle_request *request, struct reason *reason);

/* The runtime configuration. `image` is the image's (NULL: none), `rootfs` an open folder in which a user's name is
 * looked up, or -1. A new object, 0; REFUSED. */
int bundle_config(const struct bundle_request *request, const cJSON *image, int rootfs, cJSON **ret_config,
                  struct reason *reason);
