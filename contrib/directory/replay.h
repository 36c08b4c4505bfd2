#pragma once

/* A log's entries taken in again, each through all that it went through when it was submitted: signature, the rules of
 * its kind, the rules of the log, the tables. A mirror and `directoryd verify` do it.
 *
 * What can't be held against the clock again: when it was submitted isn't logged, only when it was signed (`created`),
 * which the directory took within RULES_SKEW_S of its own time. So each rule of time is judged at the end of that range
 * that is kinder to the entry: expiry at the earliest, what other contracts still reserve at the latest. */

#include "contrib/directory/store.h"

/* Takes in entry `index`, within a transaction of the writer's. 0; REFUSED when the log shouldn't have it; or negative
 * errno (failures of the store stick to it). */
int replay_entry(struct store *store, uint64_t index, const char *envelope, size_t size, struct reason *reason);
