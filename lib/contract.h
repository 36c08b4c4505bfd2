#pragma once

/* What a contract asks for: its workloads, their rules, and the private form in which only node and bot can read them.
 * provisiond/README.md has the format in prose. The same checks serve whoever writes a contract and whoever obeys one.
 */

#include "lib/statement.h"

#define CONTRACT_WORKLOADS_MAX 64
#define CONTRACT_NONCE_BYTES 16

/* Holds a `workloads` array against the rules: types, names unique, mounts and networks name workloads of the same
 * contract, images carry a digest, sizes sane. `place` as json_check has it. 0, or REFUSED. */
int contract_check_workloads(const cJSON *workloads, struct reason *reason);

/* Adds up what the workloads need: a container's cpu_milli, memory_bytes and root_size_bytes (SSD), a volume's size by
 * its media. The workloads were checked. */
struct resources contract_needs(const cJSON *workloads);

/* One who can read a private part: the id under which the box is filed, and the X25519 key that it is sealed to. */
struct contract_reader {
    const char *id;
    const uint8_t *public; /* 32 bytes */
};

/* Seals {"<name>": value} ("workloads" in contracts and results alike) for the readers: XChaCha20-Poly1305 (IETF) under
 * a fresh key with `additional` as additional data (a contract's: its 16-byte nonce; a result's: the 32 bytes of the
 * contract's id), the key in a sealed box for each. A new object {nonce, ciphertext, keys}; NULL when memory is out. */
cJSON *contract_seal(const cJSON *workloads, const void *additional, size_t additional_size,
                     const struct contract_reader *readers, size_t readers_count);
/* Opens such an object as reader `id`, whose X25519 pair is given, and gives the checked-as-strict-JSON `workloads`
 * array (the caller's, cJSON_Delete). 0, or REFUSED (no box for us, not sealed to this key, altered, not JSON). */
int contract_unseal(const cJSON *sealed, const char *id, const uint8_t public[static 32],
                    const uint8_t secret[static 32], const void *additional, size_t additional_size,
                    cJSON **ret_workloads, struct reason *reason);
/* Rules of a `private` object. */
extern const struct json_rule CONTRACT_PRIVATE_RULES[];
