#pragma once

/* What may enter the log: a statement, what the state has on the things that it names, and the time → a status. Pure.
 */

#include "lib/statement.h"

#define RULES_SKEW_S 600 /* how far a statement's `created` may be from the directory's time */

/* What the state knows about what a statement names. state_look fills it; what a kind doesn't need stays zero. */
struct rules_view {
    bool signer_known;  /* the signer is a registered bot (bot, farm, contract) or node (node) */
    int64_t registered; /* `created` of the signer's present statement (bot, node) */
    bool name_taken;    /* by another bot (bot), by any farm (farm) */

    bool farm_known; /* node: the farm it names */
    char farm_bot[ID_TEXT_BYTES];
    bool farm_is_ours;      /* node: it is in that farm already */
    bool invite_used_by_us; /* node: this node counts among the invite's uses */
    int64_t invite_uses;    /* node: distinct nodes */

    bool node_known; /* contract */
    struct resources node_resources, node_reserved;

    bool contract_known; /* cancel, result */
    char contract_bot[ID_TEXT_BYTES], contract_node[ID_TEXT_BYTES];
    bool contract_cancelled, contract_stopped;
};

/* A statement at the door; `invite` is that of a node's statement, signature checked. */
struct rules_input {
    const struct statement *statement;
    const struct statement *invite; /* NULL for other kinds */
    int64_t now_s;
};

/* 0 when it may be logged; else the HTTP status (403, 404, 409, 422) and the reason. */
int rules_judge(const struct rules_input *input, const struct rules_view *view, struct reason *reason);

/* The rule of time alone, which heartbeats have to keep as well: 0 or 422. */
int rules_judge_time(int64_t created, int64_t now_s, struct reason *reason);
