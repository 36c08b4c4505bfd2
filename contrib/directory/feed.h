#pragma once

/* A node's feed: the contracts and cancels that are for it, in log order, with what it takes to prove them. A request
 * that finds none may wait; a commit wakes it. */

#include "contrib/directory/directory.h"

#define FEED_WAIT_MAX_S 60

struct feed;

struct feed_query {
    int64_t after; /* index; -1: from the beginning */
    uint64_t from_size;
    int64_t wait_s;
    bool cosigned; /* under the checkpoint that the witnesses cosigned, and no further than it */
};

int feed_new(struct directory *directory, struct feed **ret_feed);
/* Nobody may be waiting: see feed_release. */
/* How many wait. */
size_t feed_waiting(const struct feed *feed);
void feed_free(struct feed *feed);

/* Answers for the node `request->argument`, now or within wait_s. */
void feed_ask(struct feed *feed, struct request *request, const struct feed_query *query);
/* Wakes whoever has one of the entries from `from` up to `to` in his feed. */
void feed_wake_entries(struct feed *feed, uint64_t from, uint64_t to);
/* The node's feed has grown. */
void feed_wake(struct feed *feed, const char *node);
/* Answers all who wait, with what there is; those who come later are answered at once. */
void feed_release(struct feed *feed);
