#pragma once

/* Looks now and then whether the machine is still what the node's statement says, and registers anew when it isn't. A
 * disk that came late ends the life in memory: key and journal move to it, and the daemon starts over. */

#include "provisiond/node.h"

void observe_start(struct node *node);
