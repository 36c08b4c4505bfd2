/* DSSE envelopes: the PAE is built once, hashed for the id, signed or checked. */

#include "lib/envelope.h"

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/sha256.h"

#include <errno.h>
#include <string.h>

#define TYPE_BYTES_MAX 127

static const struct json_rule SIGNATURE_RULES[] = {
    { .name = "keyid", .kind = JSON_ID },
    { .name = "sig", .kind = JSON_BASE64, .min = KEY_SIGNATURE_BYTES, .max = KEY_SIGNATURE_BYTES },
    { 0 },
};

static const struct json_rule ENVELOPE_RULES[] = {
    { .name = "payloadType", .kind = JSON_STRING, .min = 1, .max = TYPE_BYTES_MAX },
    { .name = "payload", .kind = JSON_STRING }, /* base64: that is seen when it is read, once */
    { .name = "signatures", .kind = JSON_ARRAY, .min = 1, .max = 1, .items = JSON_OBJECT, .of = SIGNATURE_RULES },
    { 0 },
};

/* The bytes that are signed; free(). NULL when memory is out. */
static char *make_pae(const char *type, const void *payload, size_t payload_size, size_t *ret_size)
{
    char head[TYPE_BYTES_MAX + 64];
    size_t head_size = (size_t)snprintf(head, sizeof head, "DSSEv1 %zu %s %zu ", strlen(type), type, payload_size);
    char *pae = malloc(head_size + payload_size);

    if (!pae)
        return NULL;
    memcpy(pae, head, head_size);
    memcpy(pae + head_size, payload, payload_size);
    *ret_size = head_size + payload_size;
    return pae;
}

static void hash_to_id(const void *pae, size_t size, char ret_id[HASH_TEXT_BYTES])
{
    uint8_t hash[SHA256_BYTES];

    sha256(pae, size, hash);
    encode_hex(hash, sizeof hash, ret_id);
}

static char *print_envelope(const char *type, const char *payload, const char *keyid, const char *signature)
{
    cleanup_json cJSON *object = cJSON_CreateObject();
    cJSON *signatures, *item;

    if (!object || !cJSON_AddStringToObject(object, "payloadType", type) ||
        !cJSON_AddStringToObject(object, "payload", payload))
        return NULL;
    signatures = cJSON_AddArrayToObject(object, "signatures");
    item = cJSON_CreateObject();
    if (!signatures || !cJSON_AddItemToArray(signatures, item)) {
        cJSON_Delete(item);
        return NULL;
    }
    if (!cJSON_AddStringToObject(item, "keyid", keyid) || !cJSON_AddStringToObject(item, "sig", signature))
        return NULL;
    return json_print(object);
}

int envelope_sign(const char *type, const void *payload, size_t payload_size, const struct key *key, char **ret_bytes,
                  char ret_id[HASH_TEXT_BYTES])
{
    uint8_t signature[KEY_SIGNATURE_BYTES];
    size_t pae_size;
    char *bytes;

    if (strlen(type) > TYPE_BYTES_MAX || payload_size > ENVELOPE_BYTES_MAX)
        return -EMSGSIZE;
    cleanup_free char *pae = make_pae(type, payload, payload_size, &pae_size);
    if (!pae)
        return -ENOMEM;
    key_sign(key, pae, pae_size, signature);
    cleanup_free char *payload_text = encode_base64(payload, payload_size);
    cleanup_free char *signature_text = encode_base64(signature, sizeof signature);
    if (!payload_text || !signature_text)
        return -ENOMEM;
    bytes = print_envelope(type, payload_text, key_id(key), signature_text);
    if (!bytes)
        return -ENOMEM;
    if (strlen(bytes) > ENVELOPE_BYTES_MAX) {
        free(bytes);
        return -EMSGSIZE;
    }
    if (ret_id)
        hash_to_id(pae, pae_size, ret_id);
    *ret_bytes = bytes;
    return 0;
}

/* Reads what the rules let through. An id has one text, which is kept as it is. */
static int fill(const cJSON *object, struct envelope *envelope, struct reason *reason)
{
    const cJSON *entry = json_member(object, "signatures")->child;
    size_t signature_size, pae_size;
    cleanup_free uint8_t *signature = decode_base64(json_string(entry, "sig"), &signature_size);

    envelope->type = strdup(json_string(object, "payloadType"));
    envelope->payload = decode_base64(json_string(object, "payload"), &envelope->payload_size);
    if (!envelope->payload)
        return reason_refuse(reason, "payload", "must be base64 with padding");
    if (!signature || !envelope->type)
        return -ENOMEM;
    memcpy(envelope->signature, signature, sizeof envelope->signature);
    decode_id(json_string(entry, "keyid"), envelope->signer);
    snprintf(envelope->signer_id, sizeof envelope->signer_id, "%s", json_string(entry, "keyid"));
    cleanup_free char *pae = make_pae(envelope->type, envelope->payload, envelope->payload_size, &pae_size);
    if (!pae)
        return -ENOMEM;
    hash_to_id(pae, pae_size, envelope->id);
    return 0;
}

int envelope_from_json(const cJSON *object, struct envelope *ret_envelope, struct reason *reason)
{
    struct envelope envelope = { 0 };
    int r = json_check(object, ENVELOPE_RULES, "", reason);

    if (r)
        return r;
    r = fill(object, &envelope, reason);
    if (r) {
        envelope_close(&envelope);
        return r;
    }
    *ret_envelope = envelope;
    return 0;
}

int envelope_parse(const char *bytes, size_t size, struct envelope *ret_envelope, struct reason *reason)
{
    cleanup_json cJSON *object = NULL;
    int r = json_parse(bytes, size, ENVELOPE_BYTES_MAX, &object, reason);

    return r ? r : envelope_from_json(object, ret_envelope, reason);
}

int envelope_verify(const struct envelope *envelope, struct reason *reason)
{
    size_t pae_size;
    cleanup_free char *pae = make_pae(envelope->type, envelope->payload, envelope->payload_size, &pae_size);

    if (!pae)
        return reason_refuse(reason, "signatures[0].sig", "can't be checked: memory is out");
    if (!key_verify(envelope->signer, pae, pae_size, envelope->signature))
        return reason_refuse(reason, "signatures[0].sig", "isn't the signature of %s", envelope->signer_id);
    return 0;
}

void envelope_close(struct envelope *envelope)
{
    if (!envelope)
        return;
    free(envelope->type);
    free(envelope->payload);
    *envelope = (struct envelope){ 0 };
}
