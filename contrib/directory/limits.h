#pragma once

/* How much one address may ask, and one key have written: so that one can't fill the log, or keep the signature checks
 * busy for all. Requests from loopback aren't held to the limit by address: those are a proxy's or the operator's own.
 */

#include "contrib/directory/limiter.h"
#include "contrib/directory/server.h"

struct limits_options {
    unsigned address_per_s; /* requests; 0: no limit */
    unsigned key_per_min;   /* statements; 0: no limit */
    unsigned beats_per_min; /* heartbeats; 0: no limit */
};

struct limits {
    struct limiter *addresses, *keys, *beats; /* NULL: no limit */
    uint64_t addresses_refused, keys_refused, beats_refused;
};

/* 0 or -ENOMEM. */
int limits_open(struct limits *limits, const struct limits_options *options);
void limits_close(struct limits *limits);

/* false: this address asks too much, and the request is answered with 429. */
bool limits_admit_request(struct limits *limits, struct request *request);
/* One more statement, or heartbeat, by this signer, whose signature holds. 0, or the seconds until it may. */
unsigned limits_admit_statement(struct limits *limits, const char *signer_id, bool is_beat);
