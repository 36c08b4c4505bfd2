#pragma once

/* A grid that isn't there, for benchmarks: bots, one farm, nodes, and what they say, signed. All keys follow from a
 * number, so that statements made in several runs fit together. Errors end the program: a benchmark has no other
 * answer to them. */

#include "lib/statement.h"

#define GRID_FARM 1           /* the log's first */
#define GRID_NODES_MAX 999999 /* its invite's */

enum grid_role { GRID_BOT, GRID_NODE };

/* The key of bot or node `number`; key_free. */
struct key *grid_key(enum grid_role role, unsigned number);

/* Envelopes, as text; free(). Bot 0 has the farm, every contract is of `bot` for `node`, small enough for a node to
 * have thousands. `ret_id` may be NULL but in grid_contract. */
char *grid_bot(unsigned number);
char *grid_farm(void);
char *grid_node(unsigned number);
char *grid_contract(const struct key *bot, const struct key *node, char ret_id[HASH_TEXT_BYTES]);
char *grid_cancel(const struct key *bot, const char *contract);
char *grid_result(const struct key *node, const char *contract, const char *state);
char *grid_heartbeat(const struct key *node);
