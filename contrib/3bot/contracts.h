#pragma once

/* Contracts of the bot: the contract as it was signed, and what its node says of it; both from statements, checked. */

#include "contrib/3bot/evidence.h"
#include "contrib/3bot/session.h"

struct contracts_entry {
    char id[HASH_TEXT_BYTES];
    struct evidence contract;
    cJSON *workloads; /* as deployed; NULL when they are private and not for us */
    cJSON *view;      /* the directory's */
    /* the newest result of its node; result.envelope is NULL as long as there is none */
    struct evidence result;
    cJSON *result_workloads; /* [{name, state, message, data}]; NULL when there are none, or not for us */
};

/* The contract with that id; or the only one of this bot whose id begins so. 0 (contracts_close), or a condition. */
int contracts_open(struct session *session, const char *id, struct contracts_entry *ret_entry, struct reason *reason);
/* Asks what is new. An older result never takes the place of a newer one. 0, or a condition; the entry stays valid. */
int contracts_refresh(struct session *session, struct contracts_entry *entry, struct reason *reason);
void contracts_close(struct contracts_entry *entry);

/* "pending", "deploying", "running", "failed", "stopped": what the node said last, "pending" when it said nothing. */
const char *contracts_state(const struct contracts_entry *entry);
/* The open message of the result; "" when there is none. */
const char *contracts_message(const struct contracts_entry *entry);
/* What a container printed last, from a workload of the result, opened with the bot's key; the caller's, free(); NULL
 * when there is none, or it isn't for us. */
char *contracts_output(const struct session *session, const cJSON *result_workload);

/* All that is known, as a JSON object; with `output`, the containers' too. */
cJSON *contracts_to_json(const struct session *session, const struct contracts_entry *entry, bool output);
/* A line for each workload; with `output`, what the containers printed. */
void contracts_tell(const struct session *session, const struct contracts_entry *entry, bool output);

/* Asks until the contract has come to `state`, the only two that make sense being "running" and "stopped", telling on
 * the way. The exit code: 0 when it came there; 1 when it failed, can't come there any more, or the time is up. */
int contracts_follow(struct session *session, struct contracts_entry *entry, const char *state, int64_t timeout_s);
