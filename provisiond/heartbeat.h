#pragma once

/* Signs of life, at the pace that the directory asks for; each brings the directory's time back. */

#include "provisiond/node.h"

/* Begins (or goes on at once) once the node is registered. */
void heartbeat_start(struct node *node);
/* Takes an authenticated time: clock and pace, and the journal's memory of it. */
void heartbeat_time(struct node *node, const struct directory_time *time);
