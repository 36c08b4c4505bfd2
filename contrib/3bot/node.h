#pragma once

/* Nodes: found through the directory's views, believed from their own signed statements. */

#include "contrib/3bot/evidence.h"
#include "contrib/3bot/session.h"

struct node {
    char id[ID_TEXT_BYTES];
    cJSON *view;              /* what the directory says: status, reserved; true as far as it is */
    struct evidence evidence; /* the node's newest statement, checked */
    uint8_t sealing_key[32], wireguard_key[32];
    struct resources total, free; /* free: total less what the directory says is reserved */
};

/* The node with that id, or whose id alone begins so. 0 (node_close), or a condition. */
int node_open(struct session *session, const char *id, struct node *ret_node, struct reason *reason);
/* The first node that is up and has room for `needs`. 0 (node_close); CLIENT_NOT_FOUND when there is none; another
 * condition. */
int node_pick(struct session *session, struct resources needs, struct node *ret_node, struct reason *reason);
void node_close(struct node *node);
