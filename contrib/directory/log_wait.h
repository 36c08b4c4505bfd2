#pragma once

/* Who waits for the log to grow: GET /v1/log/checkpoint?above=SIZE&wait=SECONDS, the checkpoint once it is of more than
 * SIZE entries. Mirrors follow by it, and monitors may. There are few of them, so they are in one list. */

#include "contrib/directory/directory.h"

#define LOG_WAIT_MAX_S 60

struct log_wait;

extern const struct parameter LOG_WAIT_PARAMETERS[];

int log_wait_new(struct directory *directory, struct log_wait **ret_wait);
/* Nobody may be waiting: see log_wait_release. */
/* How many wait. */
size_t log_wait_waiting(const struct log_wait *wait);
void log_wait_free(struct log_wait *wait);
/* Takes the request of `above` and `wait`: answers it now or later. */
void log_wait_ask(struct directory *directory, struct request *request);
/* The public head is a new one: whoever waited for less is answered. */
void log_wait_wake(struct log_wait *wait);
/* Answers all who wait, with what there is; those who come later are answered at once. */
void log_wait_release(struct log_wait *wait);
