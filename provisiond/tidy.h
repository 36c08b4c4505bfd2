#pragma once

/* Removes what is nobody's: images that no contract names, half-fetched ones, and volumes of contracts that are over (a
 * disk that was away may bring such ones). Some time after the start, at a contract's end, and now and then. */

#include "provisiond/node.h"

int tidy_start(struct node *node);
/* Something has ended, or come: look soon. */
void tidy_kick(struct node *node);
