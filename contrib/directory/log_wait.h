#pragma once

/* Who waits for the log to grow: GET /v1/log/checkpoint?above=SIZE&wait=SECONDS, the checkpoint once it is of more than
 * SIZE entries. Mirrors follow by it, and monitors may. And who asks for an entry that the tables have and no
 * checkpoint yet, for some milliseconds. There are few of them, so they are in one list. */

#include "contrib/directory/directory.h"

#define LOG_WAIT_MAX_S 60

struct log_wait;

extern const struct parameter LOG_WAIT_PARAMETERS[];

int log_wait_new(struct directory *directory, struct log_wait **ret_wait);
/* How many wait. */
size_t log_wait_waiting(const struct log_wait *wait);
/* Nobody may be waiting: see log_wait_release. */
void log_wait_free(struct log_wait *wait);
/* Takes the request of `above` and `wait`: answers it now or later. */
void log_wait_ask(struct directory *directory, struct request *request);
/* Has the request answered by `answer` once entry `index` is signed (directory->head), or after a few seconds. false:
 * it can't wait now, and is the caller's to answer. */
bool log_wait_for_entry(struct directory *directory, struct request *request, uint64_t index,
                        void (*answer)(struct directory *directory, struct request *request));
/* There is a new head, the own or the public one: whoever waited for less is answered. */
void log_wait_wake(struct log_wait *wait);
/* Answers all who wait, with what there is; those who come later are answered at once. */
void log_wait_release(struct log_wait *wait);
