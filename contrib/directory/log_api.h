#pragma once

/* The log as it is read from outside: the paths of c2sp.org/tlog-tiles below /log, and proofs ready made below /v1/log.
 * All but the checkpoint never changes, and says so to caches. */

#include "contrib/directory/directory.h"

#define LOG_TILES_PREFIX "/log/tile/"
#define LOG_TILES_ROUTE LOG_TILES_PREFIX "{tile}"

extern const struct parameter LOG_PROOF_PARAMETERS[], LOG_CONSISTENCY_PARAMETERS[];

void log_get_checkpoint(struct directory *directory, struct request *request);
void log_get_tile(struct directory *directory, struct request *request);
void log_get_proof(struct directory *directory, struct request *request);
void log_get_consistency(struct directory *directory, struct request *request);
