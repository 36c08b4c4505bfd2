#pragma once

/* The views: what the tables and the heartbeats say, as JSON, one by one or in filtered pages. README.md has the items.
 */

#include "contrib/directory/directory.h"

extern const struct parameter VIEW_BOTS_PARAMETERS[], VIEW_FARMS_PARAMETERS[], VIEW_NODES_PARAMETERS[],
    VIEW_CONTRACTS_PARAMETERS[];

/* Lists: `values` as the table of parameters has them. */
void view_bots(struct directory *directory, struct request *request);
void view_farms(struct directory *directory, struct request *request);
void view_nodes(struct directory *directory, struct request *request);
void view_contracts(struct directory *directory, struct request *request);

/* One: `argument` is its id (a farm's: its number). */
void view_bot(struct directory *directory, struct request *request);
void view_farm(struct directory *directory, struct request *request);
void view_node(struct directory *directory, struct request *request);
void view_contract(struct directory *directory, struct request *request);

/* Who was seen from then to then is up; unix seconds. */
int64_t view_up_since(const struct directory *directory);
int64_t view_up_until(void);

/* Totals. */
void view_stats(struct directory *directory, struct request *request);
