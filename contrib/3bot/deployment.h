#pragma once

/* What a deployment file says, in the form that contracts have. README.md has the file's format in prose. */

#include "contrib/3bot/yaml.h"

struct deployment {
    char *node;        /* an id, the beginning of one, or "auto" */
    int64_t expires_s; /* from now; 0: not in the file */
    cJSON *workloads;  /* as in a contract, but that secrets stand in the clear under data.secrets, and that a network's
                          peer may be a node's id, or the beginning of one: `node` in the place of `public_key` */
};

/* Reads a file. Sizes become bytes, defaults are filled in, secrets are fetched from where the file says. 0
 * (deployment_close), or REFUSED with file and line. */
int deployment_read(const struct yaml_file *file, struct deployment *ret_deployment, struct reason *reason);
void deployment_close(struct deployment *deployment);

/* Finds the WireGuard key that a node has published. 0, or a condition of its own. */
typedef int deployment_find_key(void *context, const char *node, uint8_t ret_key[static 32], struct reason *reason);

/* Gives the peers that are named by their nodes those nodes' keys. 0; REFUSED, with the place; or what `find` returned.
 */
int deployment_name_peers(struct deployment *deployment, deployment_find_key *find, void *context,
                          struct reason *reason);

/* The workloads as they stand in a contract, once all peers have their keys: secrets sealed to `sealing_key` (X25519).
 * 0 and a new array, or REFUSED.
 */
int deployment_workloads(const struct deployment *deployment, const uint8_t sealing_key[static 32],
                         cJSON **ret_workloads, struct reason *reason);
