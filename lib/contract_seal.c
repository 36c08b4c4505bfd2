/* The private form of workloads: one ciphertext, and its key in a sealed box for each who may read. */

#include "lib/contract.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SECRET_BYTES crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define BOX_BYTES (crypto_box_SEALBYTES + SECRET_BYTES)
#define READERS_MAX 16

static const char *check_keys(const cJSON *value)
{
    const cJSON *item;
    uint8_t id[ID_BYTES];

    cJSON_ArrayForEach(item, value) {
        if (!decode_id(item->string, id))
            return "must have ids as names";
        if (strlen(item->valuestring) != sodium_base64_ENCODED_LEN(BOX_BYTES, sodium_base64_VARIANT_ORIGINAL) - 1)
            return "must hold sealed boxes of 32 bytes";
    }
    return NULL;
}

const struct json_rule CONTRACT_PRIVATE_RULES[] = {
    { .name = "nonce", .kind = JSON_BASE64, .min = NONCE_BYTES, .max = NONCE_BYTES },
    { .name = "ciphertext", .kind = JSON_BASE64, .min = TAG_BYTES },
    { .name = "keys", .kind = JSON_MAP, .min = 1, .max = READERS_MAX, .items = JSON_BASE64, .check = check_keys },
    { 0 },
};

static void wipe_secret(uint8_t (*secret)[SECRET_BYTES])
{
    sodium_memzero(*secret, SECRET_BYTES);
}

#define cleanup_secret __attribute__((cleanup(wipe_secret)))

static void wipe_text(char **text)
{
    if (*text)
        sodium_memzero(*text, strlen(*text));
    free(*text);
}

#define cleanup_secret_text __attribute__((cleanup(wipe_text)))

static bool add_base64(cJSON *object, const char *name, const void *bytes, size_t size)
{
    cleanup_free char *text = encode_base64(bytes, size);

    return text && cJSON_AddStringToObject(object, name, text);
}

/* {"workloads":…} as text; NULL when memory is out. */
static char *wrap(const cJSON *workloads)
{
    cleanup_secret_text char *inner = json_print(workloads);
    char *text;

    if (!inner || asprintf(&text, "{\"workloads\":%s}", inner) < 0)
        return NULL;
    return text;
}

static bool add_keys(cJSON *sealed, const uint8_t secret[static SECRET_BYTES], const struct contract_reader *readers,
                     size_t readers_count)
{
    cJSON *keys = cJSON_AddObjectToObject(sealed, "keys");
    uint8_t box[BOX_BYTES];

    for (size_t i = 0; keys && i < readers_count; i++) {
        if (crypto_box_seal(box, secret, SECRET_BYTES, readers[i].public) < 0 ||
            !add_base64(keys, readers[i].id, box, sizeof box))
            return false;
    }
    return keys;
}

static bool add_ciphertext(cJSON *sealed, const char *text, const uint8_t secret[static SECRET_BYTES],
                           const void *additional, size_t additional_size)
{
    size_t size = strlen(text);
    unsigned long long ciphertext_size;
    uint8_t nonce[NONCE_BYTES];
    cleanup_free uint8_t *ciphertext = malloc(size + TAG_BYTES);

    if (!ciphertext)
        return false;
    randombytes_buf(nonce, sizeof nonce);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ciphertext, &ciphertext_size, (const uint8_t *)text, size, additional,
                                               additional_size, NULL, nonce, secret);
    return add_base64(sealed, "nonce", nonce, sizeof nonce) &&
           add_base64(sealed, "ciphertext", ciphertext, (size_t)ciphertext_size);
}

cJSON *contract_seal(const cJSON *workloads, const void *additional, size_t additional_size,
                     const struct contract_reader *readers, size_t readers_count)
{
    cleanup_secret uint8_t secret[SECRET_BYTES];
    cleanup_secret_text char *text = wrap(workloads);
    cleanup_json cJSON *sealed = cJSON_CreateObject();

    randombytes_buf(secret, sizeof secret);
    if (!text || !sealed || !add_ciphertext(sealed, text, secret, additional, additional_size) ||
        !add_keys(sealed, secret, readers, readers_count))
        return NULL;
    return steal_pointer(sealed);
}

/* The message key out of the box filed under `id`. */
static int open_box(const cJSON *sealed, const char *id, const uint8_t public[static 32],
                    const uint8_t secret[static 32], uint8_t ret_key[static SECRET_BYTES], struct reason *reason)
{
    const char *text = json_string(json_member(sealed, "keys"), id);
    size_t size = 0;
    cleanup_free uint8_t *box = text ? decode_base64(text, &size) : NULL;

    if (!text)
        return reason_refuse(reason, "private.keys", "hold no box for %s", id);
    if (!box || size != BOX_BYTES || crypto_box_seal_open(ret_key, box, size, public, secret) < 0)
        return reason_refuse(reason, "private.keys", "the box for %s isn't sealed to its key", id);
    return 0;
}

/* Takes `workloads` out of the decrypted text. */
static int unwrap(const char *text, size_t size, cJSON **ret_workloads, struct reason *reason)
{
    static const struct json_rule rules[] = {
        { .name = "workloads", .kind = JSON_ARRAY, .items = JSON_OBJECT },
        { 0 },
    };
    cleanup_json cJSON *object = NULL;
    int r = json_parse(text, size, JSON_SIZE_MAX, &object, reason);

    if (r == 0)
        r = json_check(object, rules, "", reason);
    if (r == REFUSED)
        return reason_prefix(reason, "private");
    if (r == 0)
        *ret_workloads = cJSON_DetachItemFromObjectCaseSensitive(object, "workloads");
    return r;
}

int contract_unseal(const cJSON *sealed, const char *id, const uint8_t public[static 32],
                    const uint8_t secret[static 32], const void *additional, size_t additional_size,
                    cJSON **ret_workloads, struct reason *reason)
{
    cleanup_secret uint8_t key[SECRET_BYTES];
    size_t nonce_size, size;
    unsigned long long text_size;
    int r = json_check(sealed, CONTRACT_PRIVATE_RULES, "private", reason);

    if (r == 0)
        r = open_box(sealed, id, public, secret, key, reason);
    if (r)
        return r;
    cleanup_free uint8_t *nonce = decode_base64(json_string(sealed, "nonce"), &nonce_size);
    cleanup_free uint8_t *ciphertext = decode_base64(json_string(sealed, "ciphertext"), &size);
    cleanup_free char *text = ciphertext ? malloc(size) : NULL;
    if (!nonce || !text)
        return reason_refuse(reason, "private", "can't be opened: memory is out");
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)text, &text_size, NULL, ciphertext, size, additional,
                                                   additional_size, nonce, key) < 0)
        return reason_refuse(reason, "private.ciphertext", "was altered, or belongs to another contract");
    r = unwrap(text, (size_t)text_size, ret_workloads, reason);
    sodium_memzero(text, size);
    return r == -ENOMEM ? reason_refuse(reason, "private", "can't be opened: memory is out") : r;
}
