#pragma once

/* DSSE v1 envelopes (github.com/secure-systems-lab/dsse, envelope.md and protocol.md): the signature covers
 * PAE = "DSSEv1" SP len(type) SP type SP len(payload) SP payload, all lengths in decimal bytes. Ours carry exactly one
 * signature; `keyid` is the signer's id. */

#include "lib/key.h"
#include "lib/reason.h"

#include <cjson/cJSON.h>

#define ENVELOPE_BYTES_MAX 65535

struct envelope {
    char *type;    /* "application/vnd.zos.contract+json" */
    char *payload; /* decoded; NUL-terminated behind its size */
    size_t payload_size;
    uint8_t signer[KEY_PUBLIC_BYTES];
    char signer_id[ID_TEXT_BYTES];
    uint8_t signature[KEY_SIGNATURE_BYTES];
    char id[HASH_TEXT_BYTES]; /* hexadecimal SHA-256 of the PAE: the statement id */
};

/* Signs `payload` and gives the envelope's bytes as compact JSON with the keys in DSSE's order (the caller's, free(),
 * NUL-terminated; *ret_id may be NULL). 0, -ENOMEM, or -EMSGSIZE over ENVELOPE_BYTES_MAX. */
int envelope_sign(const char *type, const void *payload, size_t payload_size, const struct key *key, char **ret_bytes,
                  char ret_id[HASH_TEXT_BYTES]);

/* Reads an envelope without checking its signature. 0 (envelope_close), REFUSED (not an envelope), or -ENOMEM. */
int envelope_parse(const char *bytes, size_t size, struct envelope *ret_envelope, struct reason *reason);
/* The same from a JSON object that is already parsed (an invite inside a node's statement). */
int envelope_from_json(const cJSON *object, struct envelope *ret_envelope, struct reason *reason);
/* 0, or REFUSED when the signature isn't the signer's. */
int envelope_verify(const struct envelope *envelope, struct reason *reason);
void envelope_close(struct envelope *envelope);
