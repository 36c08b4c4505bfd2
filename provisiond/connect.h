#pragma once

/* The way from a cold start to a registered node, one step after the other, each tried until it works: storage,
 * identity, settings, uplink, time, registration. */

#include "provisiond/node.h"

/* Begins; what follows runs on the loop. */
int connect_start(struct node *node);
/* The directory doesn't know this node (any more): registers again. */
void connect_again(struct node *node);
/* What is missing, in words, as a new array of strings; empty when nothing is. */
cJSON *connect_missing(const struct node *node);
