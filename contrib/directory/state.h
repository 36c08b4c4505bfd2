#pragma once

/* The state that the log gives: bots, farms, nodes, contracts, as tables. state_apply is the one function that changes
 * them, and depends on nothing but the entries in their order (no clock), so that a replay of the log gives the same.
 */

#include "contrib/directory/rules.h"
#include "contrib/directory/store.h"

/* Where a statement is in the log. */
struct state_place {
    uint64_t index;
    char signer[ID_TEXT_BYTES];
};

/* true when a statement with this id is logged. */
bool state_find(struct store *store, const char *id, struct state_place *ret_place);

/* What the state knows about what the statement names. `invite`: as rules_input has it. Contracts count as live at
 * now_s. */
void state_look(struct store *store, const struct rules_input *input, struct rules_view *ret_view);

/* Takes in a logged statement, entry `index`; within the transaction. Failures stick to the store. */
void state_apply(struct store *store, uint64_t index, const struct statement *statement,
                 const struct statement *invite);

/* Sum of what the node's live contracts reserve: neither cancelled, stopped nor expired. */
struct resources state_reserved(struct store *store, const char *node, int64_t now_s);

/* Totals that state_apply keeps (schema.c has the table). */
struct state_totals {
    int64_t bots, farms, nodes, contracts, contracts_live;
    struct resources resources, reserved; /* of all nodes; of the contracts that are live at now_s */
};
void state_read_totals(struct store *store, int64_t now_s, struct state_totals *ret_totals);

bool state_has_node(struct store *store, const char *node);
