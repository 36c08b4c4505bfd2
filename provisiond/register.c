/* Picks, from what storaged and netd say, exactly the keys that a node's statement has. */

#include "provisiond/register.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "provisiond/call.h"

#include <sodium.h>
#include <string.h>

#define CALL_MS 10000
#define DISKS_MAX 256
#define INTERFACES_MAX 64
#define ADDRESSES_MAX 32

/* A storaged that has just begun knows its disks not yet: that isn't the machine. */
static bool is_settled(const cJSON *capacity, struct reason *reason)
{
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(capacity, "settled")))
        return true;
    reason_refuse(reason, "storaged", "the first scan of the disks isn't done yet");
    return false;
}

int register_observe(struct register_observed *ret_observed, struct reason *reason)
{
    struct register_observed observed = { 0 };

    if (call("storaged", "capacity", NULL, CALL_MS, &observed.capacity, NULL, reason) == 0 &&
        call("storaged", "disk.list", NULL, CALL_MS, &observed.disks, NULL, reason) == 0 &&
        call("storaged", "pool.list", NULL, CALL_MS, &observed.pools, NULL, reason) == 0 &&
        call("netd", "status", NULL, CALL_MS, &observed.status, NULL, reason) == 0 &&
        is_settled(observed.capacity, reason)) {
        *ret_observed = observed;
        return 0;
    }
    register_observed_close(&observed);
    return REFUSED;
}

void register_observed_close(struct register_observed *observed)
{
    cJSON_Delete(steal_pointer(observed->capacity));
    cJSON_Delete(steal_pointer(observed->disks));
    cJSON_Delete(steal_pointer(observed->pools));
    cJSON_Delete(steal_pointer(observed->status));
}

static int64_t integer(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(value) && value->valuedouble > 0 && value->valuedouble <= JSON_INTEGER_MAX
               ? (int64_t)value->valuedouble
               : 0;
}

struct resources register_capacity(const struct machine *machine, const cJSON *capacity)
{
    return (struct resources){ .cru_milli = machine->cru_milli,
                               .mru_bytes = machine->mru_bytes,
                               .sru_bytes = integer(capacity, "sru_bytes"),
                               .hru_bytes = integer(capacity, "hru_bytes") };
}

/* A text of at most `max` bytes, cut at a character's border. */
static void add_text(cJSON *object, const char *name, const char *text, size_t max)
{
    char copy[512];
    size_t size = strlen(text);

    if (size > max)
        size = max;
    while (size && size < strlen(text) && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    memcpy(copy, text, size);
    copy[size] = '\0';
    cJSON_AddStringToObject(object, name, copy);
}

static const char *text(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(value) ? value->valuestring : "";
}

static cJSON *disks(const cJSON *list)
{
    cJSON *result = cJSON_CreateArray();
    const cJSON *disk;

    cJSON_ArrayForEach(disk, cJSON_GetObjectItemCaseSensitive(list, "disks")) {
        cJSON *item = cJSON_CreateObject();
        if (cJSON_GetArraySize(result) == DISKS_MAX) {
            cJSON_Delete(item);
            break;
        }
        add_text(item, "name", text(disk, "name"), 128);
        add_text(item, "media", text(disk, "media"), 128);
        json_add_integer(item, "size_bytes", integer(disk, "size_bytes"));
        add_text(item, "model", text(disk, "model"), 128);
        json_add_integer(item, "read_iops", integer(disk, "read_iops"));
        json_add_integer(item, "read_bytes_per_s", integer(disk, "read_bytes_per_s"));
        add_text(item, "state", text(disk, "state"), 256);
        cJSON_AddItemToArray(result, item);
    }
    return result;
}

static cJSON *machine_object(const struct machine *machine)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddStringToObject(object, "vendor", machine->vendor);
    cJSON_AddStringToObject(object, "product", machine->product);
    cJSON_AddStringToObject(object, "bios", machine->bios);
    cJSON_AddStringToObject(object, "cpu", machine->cpu);
    cJSON_AddStringToObject(object, "hypervisor", machine->hypervisor);
    return object;
}

static cJSON *interfaces(const cJSON *status)
{
    cJSON *result = cJSON_CreateArray();
    const cJSON *link, *address;

    cJSON_ArrayForEach(link, cJSON_GetObjectItemCaseSensitive(status, "links")) {
        cJSON *item, *addresses;
        if (cJSON_GetArraySize(result) == INTERFACES_MAX)
            break;
        item = cJSON_CreateObject();
        add_text(item, "name", text(link, "name"), 15);
        add_text(item, "mac", text(link, "mac"), 64);
        addresses = cJSON_AddArrayToObject(item, "addresses");
        cJSON_ArrayForEach(address, cJSON_GetObjectItemCaseSensitive(link, "addresses"))
            if (cJSON_IsString(address) && address->valuestring[0] && strlen(address->valuestring) < 50 &&
                cJSON_GetArraySize(addresses) < ADDRESSES_MAX)
                cJSON_AddItemToArray(addresses, cJSON_CreateString(address->valuestring));
        cJSON_AddItemToArray(result, item);
    }
    return result;
}

static void add_public_key(cJSON *payload, const char *name, const uint8_t public[static 32])
{
    cleanup_free char *encoded = encode_base64(public, 32);

    cJSON_AddStringToObject(payload, name, encoded ? encoded : "");
}

int register_payload(const struct node *node, const struct register_observed *observed, cJSON **ret_payload,
                     int64_t *ret_farm, struct reason *reason)
{
    cleanup_json cJSON *payload = cJSON_CreateObject(), *invite = NULL;
    struct statement statement;
    uint8_t public[32], secret[32];
    char hostname[64];

    if (json_parse(node->settings.invite, strlen(node->settings.invite), JSON_SIZE_MAX, &invite, reason) != 0 ||
        statement_from_json(invite, &statement, reason) != 0)
        return reason_prefix(reason, "invite");
    *ret_farm = statement.kind == STATEMENT_INVITE ? json_integer(statement.payload, "farm") : 0;
    statement_close(&statement);
    if (!*ret_farm)
        return reason_refuse(reason, "invite", "is another kind of statement");
    json_add_integer(payload, "farm", *ret_farm);
    cJSON_AddItemToObject(payload, "invite", steal_pointer(invite));
    snprintf(hostname, sizeof hostname, "zos-%.8s", key_id(node->key));
    cJSON_AddStringToObject(payload, "hostname", hostname);
    cJSON_AddStringToObject(payload, "os_version", node->machine.os_version);
    key_derive_x25519(node->key, "zos-wgrd", public, secret);
    sodium_memzero(secret, sizeof secret);
    add_public_key(payload, "wireguard_key", public);
    add_public_key(payload, "sealing_key", node->sealing->public);
    cJSON_AddItemToObject(payload, "resources",
                          resources_to_json(register_capacity(&node->machine, observed->capacity)));
    cJSON_AddItemToObject(payload, "disks", disks(observed->disks));
    cJSON_AddItemToObject(payload, "machine", machine_object(&node->machine));
    cJSON_AddItemToObject(payload, "interfaces", interfaces(observed->status));
    *ret_payload = steal_pointer(payload);
    return 0;
}
