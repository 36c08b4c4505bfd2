#pragma once

/* The way from a cold start to a registered node, one step after the other, each tried until it works: storage,
 * identity, settings, uplink, time, registration. */

#include "provisiond/node.h"

/* Begins; what follows runs on the loop. */
int connect_start(struct node *node);
/* Registers again, from the time on: the machine has changed, or the directory doesn't know this node (any more:
 * `unknown`), and then heartbeat, feed and outbox wait for it. */
void connect_again(struct node *node, bool unknown);
/* What is missing, in words, as a new array of strings; empty when nothing is. */
cJSON *connect_missing(const struct node *node);
