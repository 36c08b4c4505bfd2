#pragma once

/* The node's contracts and cancels, as the directory's log has them: asked for by long poll, checked by verify.c,
 * journaled before anything is done about them. */

#include "provisiond/node.h"

/* Reads checkpoint, position, evidence and contracts from the journal. 0, or negative errno, logged. */
int feed_load(struct node *node);
/* Begins, or goes on, once the node is registered. */
void feed_start(struct node *node);
