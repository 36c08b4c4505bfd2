/* From what a person writes to the exact contract: sizes with units, defaults, secrets, peers by their nodes. All else
 * passes through as it stands, and the contract's own rules judge it; so the file's format can't drift from the
 * contract's. */

#include "contrib/3bot/deployment.h"

#include "contrib/3bot/units.h"

#include "lib/cleanup.h"
#include "lib/contract.h"
#include "lib/file.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define SECRET_BYTES_MAX 16384
#define PLACE_BYTES 256

static const struct json_rule FILE_RULES[] = {
    { "node", JSON_STRING, .optional = true, .min = 1, .max = 64 },
    { "expires", JSON_STRING, .optional = true, .min = 1, .max = 64 },
    { "workloads", JSON_ARRAY, .min = 1, .max = CONTRACT_WORKLOADS_MAX, .items = JSON_OBJECT },
    { 0 },
};

static const struct json_rule SECRET_RULES[] = {
    { "env", JSON_STRING, .optional = true, .min = 1, .max = 256 },
    { "file", JSON_STRING, .optional = true, .min = 1, .max = 4096 },
    { 0 },
};

/* ---- Sizes */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), part = strlen(end);

    return length >= part && strcmp(text + length - part, end) == 0;
}

/* "1GiB" → 1073741824 in the place of one item. */
static int convert_size(cJSON *data, const cJSON *item, const char *place, struct reason *reason)
{
    char name[PLACE_BYTES / 2], inner[PLACE_BYTES];
    int64_t bytes;

    snprintf(name, sizeof name, "%s", item->string); /* a copy: the item goes */
    snprintf(inner, sizeof inner, "%.64s.%s", place, name);
    if (units_parse_size(item->valuestring, &bytes, reason))
        return reason_prefix(reason, inner);
    cJSON_ReplaceItemInObjectCaseSensitive(data, name, cJSON_CreateNumber((double)bytes));
    return 0;
}

/* The same at every key that ends in _bytes. */
static int convert_sizes(cJSON *data, const char *place, struct reason *reason)
{
    cJSON *item, *following;

    for (item = data->child; item; item = following) {
        following = item->next;
        if (cJSON_IsString(item) && ends_with(item->string, "_bytes") && convert_size(data, item, place, reason))
            return REFUSED;
    }
    return 0;
}

/* ---- Secrets */

static int read_environment(const char *name, const char *place, cJSON **ret_value, struct reason *reason)
{
    const char *value = getenv(name);

    if (!value)
        return reason_refuse(reason, place, "the environment has no variable %s", name);
    *ret_value = cJSON_CreateString(value);
    return 0;
}

static int read_secret_file(const char *path, const char *place, cJSON **ret_value, struct reason *reason)
{
    char *text = NULL;
    size_t size = 0;
    int result = file_read(path, SECRET_BYTES_MAX, &text, &size);

    if (result < 0)
        return reason_refuse(reason, place, "%s can't be read: %s", path, strerror(-result));
    if (strlen(text) != size)
        result = reason_refuse(reason, place, "%s holds a NUL character", path);
    if (!result && size && text[size - 1] == '\n') /* the end of a line, not of the secret */
        text[size - 1] = '\0';
    if (!result)
        *ret_value = cJSON_CreateString(text);
    sodium_memzero(text, size);
    free(text);
    return result;
}

/* A secret stands in the file itself, in the environment ({env: NAME}) or in a file of its own ({file: PATH}). */
static int fetch_secret(const cJSON *secret, const char *place, cJSON **ret_value, struct reason *reason)
{
    const char *env = json_string(secret, "env"), *path = json_string(secret, "file");

    if (cJSON_IsString(secret)) {
        *ret_value = cJSON_CreateString(secret->valuestring);
        return 0;
    }
    if (!cJSON_IsObject(secret))
        return reason_refuse(reason, place, "must be a string (put it in quotes), {env: NAME} or {file: PATH}");
    if (json_check(secret, SECRET_RULES, place, reason))
        return REFUSED;
    if (!env == !path)
        return reason_refuse(reason, place, "must have either env or file");
    return env ? read_environment(env, place, ret_value, reason) : read_secret_file(path, place, ret_value, reason);
}

static int fetch_secrets(cJSON *data, const char *place, struct reason *reason)
{
    const cJSON *secrets = json_member(data, "secrets"), *secret;
    cleanup_json cJSON *fetched = NULL;
    char inner[PLACE_BYTES];

    if (!secrets)
        return 0;
    snprintf(inner, sizeof inner, "%.64s.secrets", place);
    if (!cJSON_IsObject(secrets))
        return reason_refuse(reason, inner, "must be an object");
    fetched = cJSON_CreateObject();
    cJSON_ArrayForEach(secret, secrets) {
        cJSON *value = NULL;
        snprintf(inner, sizeof inner, "%.64s.secrets.%.128s", place, secret->string);
        if (fetch_secret(secret, inner, &value, reason))
            return REFUSED;
        if (json_member(json_member(data, "env"), secret->string) ||
            json_member(json_member(data, "secret_env"), secret->string)) {
            cJSON_Delete(value);
            return reason_refuse(reason, inner, "stands in env or secret_env too");
        }
        cJSON_AddItemToObject(fetched, secret->string, value);
    }
    cJSON_ReplaceItemInObjectCaseSensitive(data, "secrets", steal_pointer(fetched));
    return 0;
}

/* ---- Workloads */

static void default_string(cJSON *data, const char *name, const char *value)
{
    if (!json_member(data, name))
        cJSON_AddStringToObject(data, name, value);
}

static void default_number(cJSON *data, const char *name, int64_t value)
{
    if (!json_member(data, name))
        json_add_integer(data, name, value);
}

static void fill_in(const char *type, cJSON *data)
{
    if (strcmp(type, "volume") == 0) {
        default_string(data, "media", "ssd");
    } else if (strcmp(type, "container") == 0) {
        default_number(data, "cpu_milli", 1000);
        default_number(data, "memory_bytes", 256LL << 20);
        default_number(data, "root_size_bytes", 1LL << 30);
    }
}

static int convert_workload(cJSON *workload, size_t index, struct reason *reason)
{
    cJSON *data = cJSON_GetObjectItemCaseSensitive(workload, "data");
    const char *type = json_string(workload, "type");
    char place[PLACE_BYTES];

    if (!cJSON_IsObject(data) || !type)
        return 0; /* the contract's rules say what is wrong */
    snprintf(place, sizeof place, "workloads[%zu].data", index);
    if (convert_sizes(data, place, reason))
        return REFUSED;
    if (strcmp(type, "container") == 0 && fetch_secrets(data, place, reason))
        return REFUSED;
    fill_in(type, data);
    return 0;
}

static int convert_workloads(cJSON *workloads, struct reason *reason)
{
    cJSON *workload;
    size_t index = 0;

    cJSON_ArrayForEach(workload, workloads) {
        if (convert_workload(workload, index++, reason))
            return REFUSED;
    }
    return 0;
}

/* ---- Peers */

/* {"node":ID,…} → {"public_key":…,…}. */
static int name_peer(cJSON *peer, const char *place, deployment_find_key *find, void *context, struct reason *reason)
{
    cJSON *node = cJSON_GetObjectItemCaseSensitive(peer, "node");
    cleanup_free char *text = NULL;
    uint8_t key[32];
    int result;

    if (!node)
        return 0;
    if (!cJSON_IsString(node))
        return reason_refuse(reason, place, "must be a string");
    if (json_member(peer, "public_key"))
        return reason_refuse(reason, place, "stands beside public_key: one of them is enough");
    result = find(context, node->valuestring, key, reason);
    if (result) {
        reason_prefix(reason, place);
        return result;
    }
    text = encode_base64(key, sizeof key);
    cJSON_DeleteItemFromObjectCaseSensitive(peer, "node");
    cJSON_AddStringToObject(peer, "public_key", text ? text : "");
    return 0;
}

static int name_peers(cJSON *workloads, deployment_find_key *find, void *context, struct reason *reason)
{
    cJSON *workload, *peer;
    size_t index = 0, number;
    char place[PLACE_BYTES];

    cJSON_ArrayForEach(workload, workloads) {
        const char *type = json_string(workload, "type");
        cJSON *peers = cJSON_GetObjectItemCaseSensitive(json_member(workload, "data"), "peers");
        number = 0;
        for (peer = type && strcmp(type, "network") == 0 && peers ? peers->child : NULL; peer; peer = peer->next) {
            snprintf(place, sizeof place, "workloads[%zu].data.peers[%zu].node", index, number++);
            int result = name_peer(peer, place, find, context, reason);
            if (result)
                return result;
        }
        index++;
    }
    return 0;
}

int deployment_name_peers(struct deployment *deployment, deployment_find_key *find, void *context,
                          struct reason *reason)
{
    return name_peers(deployment->workloads, find, context, reason);
}

/* A node → a key of its own that stands in for the real one, which only the directory knows. */
static int stand_in(void *context, const char *node, uint8_t ret_key[static 32], struct reason *reason)
{
    return crypto_generichash(ret_key, 32, (const uint8_t *)node, strlen(node), NULL, 0);
}

/* The rules of the contract, with keys that stand in for the nodes'. */
static int check(const struct deployment *deployment, struct reason *reason)
{
    static const uint8_t base_point[32] = { 9 }; /* RFC 7748, §4.1: a valid key, to see that all can be sealed */
    cleanup_json cJSON *workloads = NULL;

    if (deployment_workloads(deployment, base_point, &workloads, reason) ||
        name_peers(workloads, stand_in, NULL, reason))
        return REFUSED;
    return contract_check_workloads(workloads, reason);
}

/* ---- The file */

static int read_root(const cJSON *root, struct deployment *deployment, struct reason *reason)
{
    const char *node, *expires;

    if (json_check(root, FILE_RULES, "", reason))
        return REFUSED;
    node = json_string(root, "node");
    expires = json_string(root, "expires");
    if (expires && units_parse_duration(expires, &deployment->expires_s, reason))
        return reason_prefix(reason, "expires");
    deployment->node = strdup(node ? node : "auto");
    deployment->workloads = cJSON_Duplicate(json_member(root, "workloads"), true);
    if (!deployment->node || !deployment->workloads)
        return reason_refuse(reason, NULL, "memory is out");
    return convert_workloads(deployment->workloads, reason) ? REFUSED : check(deployment, reason);
}

int deployment_read(const struct yaml_file *file, struct deployment *ret_deployment, struct reason *reason)
{
    struct deployment deployment = { 0 };

    if (read_root(file->root, &deployment, reason)) {
        deployment_close(&deployment);
        return yaml_file_refuse(file, reason);
    }
    *ret_deployment = deployment;
    return 0;
}

/* The fetched secrets of a container; NULL for all else, where the word has no meaning and the contract's rules say so.
 */
static cJSON *secrets_of(const cJSON *workload)
{
    const char *type = json_string(workload, "type");

    if (!type || strcmp(type, "container") != 0)
        return NULL;
    return cJSON_GetObjectItemCaseSensitive(json_member(workload, "data"), "secrets");
}

/* Wipes what was a secret before it is freed. */
static void wipe_secrets(cJSON *workloads)
{
    cJSON *workload, *secret;

    cJSON_ArrayForEach(workload, workloads) {
        cJSON_ArrayForEach(secret, secrets_of(workload)) {
            if (cJSON_IsString(secret))
                sodium_memzero(secret->valuestring, strlen(secret->valuestring));
        }
    }
}

void deployment_close(struct deployment *deployment)
{
    wipe_secrets(deployment->workloads);
    cJSON_Delete(deployment->workloads);
    free(deployment->node);
    *deployment = (struct deployment){ 0 };
}

/* ---- Sealing */

static int seal_secret(cJSON *sealed, const cJSON *secret, const uint8_t key[static 32], struct reason *reason)
{
    size_t size = strlen(secret->valuestring);
    cleanup_free uint8_t *box = malloc(size + crypto_box_SEALBYTES);
    cleanup_free char *text = NULL;

    if (!box || crypto_box_seal(box, (const uint8_t *)secret->valuestring, size, key) != 0)
        return reason_refuse(reason, NULL, "the secret %.64s can't be sealed to the node's key", secret->string);
    text = encode_base64(box, size + crypto_box_SEALBYTES);
    cJSON_AddStringToObject(sealed, secret->string, text ? text : "");
    return 0;
}

/* Puts sealed boxes under secret_env in the place of secrets. */
static int seal_secrets(cJSON *workload, const uint8_t key[static 32], struct reason *reason)
{
    cJSON *data = cJSON_GetObjectItemCaseSensitive(workload, "data"), *secrets = secrets_of(workload), *secret;
    cJSON *sealed = cJSON_GetObjectItemCaseSensitive(data, "secret_env");

    if (!secrets)
        return 0;
    if (!sealed)
        sealed = cJSON_AddObjectToObject(data, "secret_env");
    cJSON_ArrayForEach(secret, secrets) {
        if (seal_secret(sealed, secret, key, reason))
            return REFUSED;
        sodium_memzero(secret->valuestring, strlen(secret->valuestring));
    }
    cJSON_DeleteItemFromObjectCaseSensitive(data, "secrets");
    return 0;
}

int deployment_workloads(const struct deployment *deployment, const uint8_t sealing_key[static 32],
                         cJSON **ret_workloads, struct reason *reason)
{
    cJSON *workloads = cJSON_Duplicate(deployment->workloads, true), *workload;
    int result = sodium_init() < 0 || !workloads ? reason_refuse(reason, NULL, "memory is out") : 0;

    cJSON_ArrayForEach(workload, workloads) {
        if (!result)
            result = seal_secrets(workload, sealing_key, reason);
    }
    if (result) {
        wipe_secrets(workloads);
        cJSON_Delete(workloads);
    } else {
        *ret_workloads = workloads;
    }
    return result;
}
