#pragma once

/* Cosignatures for the log's checkpoints: the directory asks its witnesses (c2sp.org/tlog-witness) in rounds, each
 * about one checkpoint, begun at once when the log grows and at most once a second. When a quorum has cosigned it, it
 * is what /log/checkpoint shows. A statement's 201 doesn't wait for that. */

#include "contrib/directory/directory.h"

#include "lib/cosignature.h"

#define GATHER_URL_BYTES 512

struct gather_options {
    struct cosignature_policy policy; /* count 0: no witnesses */
    char urls[COSIGNATURE_WITNESSES_MAX][GATHER_URL_BYTES];
};

/* Adds "VKEY,URL". 0, or REFUSED. */
int gather_add_witness(struct gather_options *options, const char *text, struct reason *reason);

struct gather;

int gather_new(struct directory *directory, const struct gather_options *options, struct gather **ret_gather);
/* The head is a new one. */
void gather_head(struct gather *gather);
/* For how many seconds the oldest entry that no quorum has cosigned has waited for it; 0: there is none. */
int64_t gather_waiting_s(const struct gather *gather);
/* Gives up what is asked now; takes up to a second. */
void gather_free(struct gather *gather);
