#pragma once

/* Statements: the kinds of envelope that principals of the grid sign, and the rules of their payloads. lib/README.md
 * has the formats in prose. */

#include "lib/envelope.h"
#include "lib/json.h"
#include "lib/resources.h"

enum statement_kind {
    STATEMENT_BOT,
    STATEMENT_FARM,
    STATEMENT_INVITE,
    STATEMENT_NODE,
    STATEMENT_CONTRACT,
    STATEMENT_CANCEL,
    STATEMENT_RESULT,
    STATEMENT_HEARTBEAT,
    STATEMENT_TIME,
    STATEMENT_KINDS,
};

/* Conditions of statement_open beside REFUSED (not an envelope, not strict JSON, or not by its kind's rules). */
enum { STATEMENT_BAD_SIGNATURE = 2 };

struct statement {
    enum statement_kind kind;
    char id[HASH_TEXT_BYTES];
    uint8_t signer[KEY_PUBLIC_BYTES];
    char signer_id[ID_TEXT_BYTES];
    int64_t created; /* unix seconds */
    cJSON *payload;  /* checked against the kind's rules */
};

/* "bot", "farm" …, as in the payload type application/vnd.zos.<name>+json. */
const char *statement_kind_name(enum statement_kind kind);

/* Signs a payload: adds `version` 1 and `created` (unix seconds) in front when they aren't there, holds it against the
 * kind's rules (so that we never send what we would refuse), and gives the envelope's bytes (the caller's, free()).
 * `payload` stays the caller's. 0, REFUSED, or negative errno. `ret_id` may be NULL. */
int statement_sign(enum statement_kind kind, cJSON *payload, int64_t created, const struct key *key, char **ret_bytes,
                   char ret_id[HASH_TEXT_BYTES], struct reason *reason);

/* Parses, checks the signature, then the payload's rules. 0 (statement_close), REFUSED, STATEMENT_BAD_SIGNATURE,
 * -ENOMEM. */
int statement_open(const char *bytes, size_t size, struct statement *ret_statement, struct reason *reason);
int statement_from_json(const cJSON *envelope_object, struct statement *ret_statement, struct reason *reason);
void statement_close(struct statement *statement);

/* What a name of a bot or farm may look like: [a-z0-9][a-z0-9.-]{1,62}. Usable as a rule's check. */
const char *statement_check_name(const cJSON *value);
