#pragma once

/* The node's own statement: what it is and offers, sealed into the log at each boot and at each change. */

#include "provisiond/node.h"

/* What the other daemons say of the machine; a job asks, the loop builds. */
struct register_observed {
    cJSON *capacity; /* storaged's capacity */
    cJSON *disks;    /* storaged's disk.list */
    cJSON *pools;    /* storaged's pool.list */
    cJSON *status;   /* netd's status */
};

/* Asks storaged and netd. Blocks. 0 (register_observed_close), or REFUSED. */
int register_observe(struct register_observed *ret_observed, struct reason *reason);
void register_observed_close(struct register_observed *observed);

/* What contracts may reserve. */
struct resources register_capacity(const struct machine *machine, const cJSON *capacity);
/* The statement's payload without version and created; the caller's, cJSON_Delete. 0, REFUSED (no invite that can be
 * read), or -ENOMEM. `ret_farm` is the invite's. */
int register_payload(const struct node *node, const struct register_observed *observed, cJSON **ret_payload,
                     int64_t *ret_farm, struct reason *reason);
