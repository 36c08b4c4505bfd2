#pragma once

/* Results: what became of a contract, told to its bot. Written to the journal's outbox in the transaction that changes
 * the state, and posted from there until the directory has them. */

#include "provisiond/node.h"

/* Puts a result into the outbox. `workloads` is what deploy.c reports of each ([{name, state, message, output}], the
 * caller's); NULL: all of them are in `state`. `message` is contract-wide. A private contract's details are sealed to
 * node and bot; in an open one the containers' output alone is, to the bot. 0, or negative errno, logged. */
int result_add(struct node *node, const struct wanted *wanted, enum wanted_state state, const cJSON *workloads,
               const char *message);
/* The payload that result_add stores; NULL when memory is out. */
cJSON *result_payload(const struct wanted *wanted, const char *node_id, const uint8_t sealing_public[static 32],
                      enum wanted_state state, const cJSON *workloads, const char *message);

/* Posts what is in the outbox, when nobody does already. */
void outbox_kick(struct node *node);
