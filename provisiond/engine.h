#pragma once

/* Brings every contract to what it wants to be: hands those that are due to jobs (deploy.c), a few at a time and one a
 * contract, and turns what they report into states, results and the time of the next look. */

#include "provisiond/node.h"

int engine_start(struct node *node);
/* Something has changed: look at everything that is due. */
void engine_kick(struct node *node);
/* The contract is to end (journaled already): what works on it gives up. One that was refused is forgotten at once. */
void engine_end(struct node *node, const char *id);
