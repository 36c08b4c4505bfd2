/* What a small real grid's statements look like, of about their size: a node with four disks, a contract with a volume
 * and a container on it. */

#include "contrib/bench/grid.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

static void *must(void *made)
{
    if (!made) {
        log_error("out of memory");
        exit(EXIT_FAILURE);
    }
    return made;
}

struct key *grid_key(enum grid_role role, unsigned number)
{
    uint8_t seed[KEY_SEED_BYTES] = { 'b', 'e', 'n', 'c', 'h', (uint8_t)role };
    struct key *key = NULL;

    memcpy(seed + 8, &number, sizeof number);
    if (key_from_seed(seed, &key) < 0)
        must(NULL);
    return key;
}

static char *sign(enum statement_kind kind, cJSON *payload, const struct key *key, char *ret_id)
{
    struct reason reason = { 0 };
    char *bytes = NULL;

    if (statement_sign(kind, must(payload), time(NULL), key, &bytes, ret_id, &reason)) {
        log_error("a %s can't be signed: %s", statement_kind_name(kind), reason.text);
        exit(EXIT_FAILURE);
    }
    cJSON_Delete(payload);
    return bytes;
}

static cJSON *from_text(const char *text)
{
    return must(cJSON_Parse(text));
}

static void add_random(cJSON *object, const char *name, size_t size)
{
    uint8_t bytes[64];

    randombytes_buf(bytes, size);
    cleanup_free char *text = must(encode_base64(bytes, size));
    cJSON_AddStringToObject(object, name, text);
}

char *grid_bot(unsigned number)
{
    struct key *key = grid_key(GRID_BOT, number);
    cJSON *payload = cJSON_CreateObject();
    char name[32];

    snprintf(name, sizeof name, "bot-%u.example", number);
    cJSON_AddStringToObject(payload, "name", name);
    cJSON_AddStringToObject(payload, "description", "made up for a benchmark");
    char *envelope = sign(STATEMENT_BOT, payload, key, NULL);
    key_free(key);
    return envelope;
}

char *grid_farm(void)
{
    struct key *key = grid_key(GRID_BOT, 0);
    char *envelope = sign(STATEMENT_FARM,
                          from_text("{\"name\": \"farm.example\", \"description\": \"a farm of a benchmark\","
                                    " \"location\": {\"country\": \"Belgium\", \"city\": \"Ghent\"}}"),
                          key, NULL);

    key_free(key);
    return envelope;
}

/* Signed once: all nodes are in it. */
static cJSON *invite(void)
{
    static char *text;

    if (!text) {
        struct key *key = grid_key(GRID_BOT, 0);
        cJSON *payload = cJSON_CreateObject();
        cJSON_AddNumberToObject(payload, "farm", GRID_FARM);
        cJSON_AddNumberToObject(payload, "expires", (double)(time(NULL) + DAY_S));
        cJSON_AddNumberToObject(payload, "nodes_max", GRID_NODES_MAX);
        text = sign(STATEMENT_INVITE, payload, key, NULL);
        key_free(key);
    }
    return from_text(text);
}

char *grid_node(unsigned number)
{
    static const char body[] =
        "{\"farm\": 1, \"hostname\": \"node\", \"os_version\": \"zos 4.0\","
        " \"resources\": {\"cru_milli\": 64000, \"mru_bytes\": 274877906944, \"sru_bytes\": 4000787030016,"
        " \"hru_bytes\": 16000900661248}, \"machine\": {\"vendor\": \"Example\", \"product\": \"R1\", \"bios\": "
        "\"1.2.3\","
        " \"cpu\": \"a processor with 64 threads\", \"hypervisor\": \"\"}, \"interfaces\": [{\"name\": \"eth0\", "
        "\"mac\":"
        " \"02:00:00:00:00:01\", \"addresses\": [\"192.0.2.10/24\", \"2001:db8::10/64\"]}], \"disks\": []}";
    struct key *key = grid_key(GRID_NODE, number);
    cJSON *payload = from_text(body), *disks = cJSON_GetObjectItem(payload, "disks");
    char name[16];

    for (int disk = 0; disk < 4; disk++) {
        cJSON *item = from_text("{\"media\": \"ssd\", \"size_bytes\": 1000204886016, \"model\": \"Example SSD 1TB\","
                                " \"read_iops\": 90000, \"read_bytes_per_s\": 520000000, \"state\": \"in the pool\"}");
        snprintf(name, sizeof name, "nvme%dn1", disk);
        cJSON_AddStringToObject(item, "name", name);
        cJSON_AddItemToArray(disks, item);
    }
    add_random(payload, "wireguard_key", 32);
    add_random(payload, "sealing_key", 32);
    cJSON_AddItemToObject(payload, "invite", invite());
    char *envelope = sign(STATEMENT_NODE, payload, key, NULL);
    key_free(key);
    return envelope;
}

char *grid_contract(const struct key *bot, const struct key *node, char ret_id[HASH_TEXT_BYTES])
{
    static const char workloads[] =
        "[{\"name\": \"data\", \"type\": \"volume\", \"data\": {\"size_bytes\": 1048576, \"media\": \"ssd\"}}]";
    cJSON *payload = cJSON_CreateObject();

    cJSON_AddStringToObject(payload, "node", key_id(node));
    cJSON_AddNumberToObject(payload, "expires", (double)(time(NULL) + 365 * DAY_S));
    add_random(payload, "nonce", 16);
    cJSON_AddItemToObject(
        payload, "reserves",
        from_text("{\"cru_milli\": 1, \"mru_bytes\": 1048576, \"sru_bytes\": 1048576, \"hru_bytes\": 0}"));
    cJSON_AddItemToObject(payload, "workloads", from_text(workloads));
    return sign(STATEMENT_CONTRACT, payload, bot, ret_id);
}

char *grid_cancel(const struct key *bot, const char *contract)
{
    cJSON *payload = cJSON_CreateObject();

    cJSON_AddStringToObject(payload, "contract", contract);
    return sign(STATEMENT_CANCEL, payload, bot, NULL);
}

char *grid_result(const struct key *node, const char *contract, const char *state)
{
    cJSON *payload = cJSON_CreateObject();
    cJSON *workloads = from_text("[{\"name\": \"data\", \"message\": \"\", \"data\": {}}]");

    cJSON_AddStringToObject(payload, "contract", contract);
    cJSON_AddStringToObject(payload, "state", state);
    cJSON_AddStringToObject(cJSON_GetArrayItem(workloads, 0), "state", state);
    cJSON_AddItemToObject(payload, "workloads", workloads);
    return sign(STATEMENT_RESULT, payload, node, NULL);
}

char *grid_heartbeat(const struct key *node)
{
    cJSON *payload =
        from_text("{\"uptime_s\": 86400, \"log_size\": 1000, \"alerts\": [], \"used\": {\"cru_milli\": 1000,"
                  " \"mru_bytes\": 1073741824, \"sru_bytes\": 1073741824, \"hru_bytes\": 0}}");

    add_random(payload, "nonce", 16);
    return sign(STATEMENT_HEARTBEAT, payload, node, NULL);
}
