#pragma once

/* What a deployment file says, in the form that contracts have. README.md has the file's format in prose. */

#include "contrib/3bot/yaml.h"

struct deployment {
    char *node;        /* an id, the beginning of one, or "auto" */
    int64_t expires_s; /* from now; 0: not in the file */
    cJSON *workloads;  /* as in a contract, but that secrets stand in the clear under data.secrets */
};

/* Reads a file. Sizes become bytes, defaults are filled in, secrets are fetched from where the file says. 0
 * (deployment_close), or REFUSED with file and line. */
int deployment_read(const struct yaml_file *file, struct deployment *ret_deployment, struct reason *reason);
void deployment_close(struct deployment *deployment);

/* The workloads as they stand in a contract: secrets sealed to `sealing_key` (X25519). 0 and a new array, or REFUSED.
 */
int deployment_workloads(const struct deployment *deployment, const uint8_t sealing_key[static 32],
                         cJSON **ret_workloads, struct reason *reason);
