/* What the payload of each kind of statement looks like, as tables. lib/README.md has the same in prose; a bound that
 * isn't explained here is explained there. */

#include "lib/statement_rules.h"

#include "lib/contract.h"

#include <string.h>

#define DESCRIPTION_BYTES_MAX 1024
#define LABEL_BYTES_MAX 128 /* of names that hardware gives itself */
#define MESSAGE_BYTES_MAX 1024
#define HOSTNAME_BYTES_MAX 253 /* RFC 1035 §2.3.4, as text */
#define DISKS_MAX 256
#define INTERFACES_MAX 64
#define INTERFACE_NAME_BYTES_MAX 15 /* IFNAMSIZ, netdevice(7) */
#define MAC_BYTES_MAX 64            /* InfiniBand's has 20 bytes, 59 characters */
#define ADDRESSES_MAX 32
#define ADDRESS_BYTES_MAX 49 /* INET6_ADDRSTRLEN, and a prefix length */
#define ALERTS_MAX 64
#define ALERT_BYTES_MAX 512
#define NODES_MAX 1000000
#define HEARTBEAT_S_MAX 86400
#define COMMON                                                                                                         \
    { .name = "version", .kind = JSON_INTEGER, .min = 1, .max = 1 },                                                   \
    {                                                                                                                  \
        .name = "created", .kind = JSON_INTEGER                                                                        \
    }

static bool is_lower_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

const char *statement_check_name(const cJSON *value)
{
    static const char rule[] = "must be 2 to 63 of a-z, 0-9, '.' and '-', the first a letter or a digit";
    const char *text = cJSON_GetStringValue(value);
    size_t size = text ? strlen(text) : 0;

    if (size < 2 || size > 63 || !is_lower_alphanumeric(text[0]))
        return rule;
    for (size_t i = 1; i < size; i++) {
        if (!is_lower_alphanumeric(text[i]) && text[i] != '.' && text[i] != '-')
            return rule;
    }
    return NULL;
}

static bool is_one_of(const cJSON *value, const char *const *words)
{
    const char *text = cJSON_GetStringValue(value);

    for (; text && *words; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static const char *check_media(const cJSON *value)
{
    return is_one_of(value, (const char *const[]){ "ssd", "hdd", NULL }) ? NULL : "must be ssd or hdd";
}

static const char *check_state(const cJSON *value)
{
    static const char *const states[] = { "deploying", "running", "failed", "stopped", NULL };

    return is_one_of(value, states) ? NULL : "must be deploying, running, failed or stopped";
}

static const char *check_workload_state(const cJSON *value)
{
    static const char *const states[] = { "pending", "deploying", "running", "failed", "stopped", NULL };

    return is_one_of(value, states) ? NULL : "must be pending, deploying, running, failed or stopped";
}

/* false when a string of a checked array of strings is empty or longer than `max` bytes. */
static bool strings_fit(const cJSON *array, size_t max)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array) {
        size_t size = strlen(item->valuestring);
        if (size < 1 || size > max)
            return false;
    }
    return true;
}

static const char *check_addresses(const cJSON *value)
{
    return strings_fit(value, ADDRESS_BYTES_MAX) ? NULL : "must hold strings of 1 to 49 bytes";
}

static const char *check_alerts(const cJSON *value)
{
    return strings_fit(value, ALERT_BYTES_MAX) ? NULL : "must hold strings of 1 to 512 bytes";
}

static const struct json_rule BOT_RULES[] = {
    COMMON,
    { .name = "name", .kind = JSON_STRING, .check = statement_check_name },
    { .name = "description", .kind = JSON_STRING, .max = DESCRIPTION_BYTES_MAX },
    { 0 },
};

static const struct json_rule LOCATION_RULES[] = {
    { .name = "country", .kind = JSON_STRING, .optional = true, .max = 64 },
    { .name = "city", .kind = JSON_STRING, .optional = true, .max = 64 },
    { .name = "latitude", .kind = JSON_NUMBER, .optional = true, .min = -90, .max = 90 },
    { .name = "longitude", .kind = JSON_NUMBER, .optional = true, .min = -180, .max = 180 },
    { 0 },
};

static const struct json_rule FARM_RULES[] = {
    COMMON,
    { .name = "name", .kind = JSON_STRING, .check = statement_check_name },
    { .name = "description", .kind = JSON_STRING, .max = DESCRIPTION_BYTES_MAX },
    { .name = "location", .kind = JSON_OBJECT, .optional = true, .of = LOCATION_RULES },
    { 0 },
};

static const struct json_rule INVITE_RULES[] = {
    COMMON,
    { .name = "farm", .kind = JSON_INTEGER, .min = 1 },
    { .name = "expires", .kind = JSON_INTEGER },
    { .name = "nodes_max", .kind = JSON_INTEGER, .min = 1, .max = NODES_MAX },
    { 0 },
};

static const struct json_rule DISK_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = LABEL_BYTES_MAX },
    { .name = "media", .kind = JSON_STRING, .check = check_media },
    { .name = "size_bytes", .kind = JSON_INTEGER },
    { .name = "model", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { .name = "read_iops", .kind = JSON_INTEGER },
    { .name = "read_bytes_per_s", .kind = JSON_INTEGER },
    { .name = "state", .kind = JSON_STRING, .min = 1, .max = 256 },
    { 0 },
};

static const struct json_rule MACHINE_RULES[] = {
    { .name = "vendor", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { .name = "product", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { .name = "bios", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { .name = "cpu", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { .name = "hypervisor", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { 0 },
};

static const struct json_rule INTERFACE_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = INTERFACE_NAME_BYTES_MAX },
    { .name = "mac", .kind = JSON_STRING, .max = MAC_BYTES_MAX },
    { .name = "addresses", .kind = JSON_ARRAY, .max = ADDRESSES_MAX, .items = JSON_STRING, .check = check_addresses },
    { 0 },
};

static const struct json_rule NODE_RULES[] = {
    COMMON,
    { .name = "farm", .kind = JSON_INTEGER, .min = 1 },
    { .name = "invite", .kind = JSON_OBJECT },
    { .name = "hostname", .kind = JSON_STRING, .max = HOSTNAME_BYTES_MAX },
    { .name = "os_version", .kind = JSON_STRING, .max = LABEL_BYTES_MAX },
    { .name = "wireguard_key", .kind = JSON_BASE64, .min = 32, .max = 32 },
    { .name = "sealing_key", .kind = JSON_BASE64, .min = 32, .max = 32 },
    { .name = "resources", .kind = JSON_OBJECT, .of = RESOURCES_RULES },
    { .name = "disks", .kind = JSON_ARRAY, .max = DISKS_MAX, .items = JSON_OBJECT, .of = DISK_RULES },
    { .name = "machine", .kind = JSON_OBJECT, .of = MACHINE_RULES },
    { .name = "interfaces", .kind = JSON_ARRAY, .max = INTERFACES_MAX, .items = JSON_OBJECT, .of = INTERFACE_RULES },
    { 0 },
};

static const struct json_rule CONTRACT_RULES[] = {
    COMMON,
    { .name = "node", .kind = JSON_ID },
    { .name = "expires", .kind = JSON_INTEGER },
    { .name = "nonce", .kind = JSON_BASE64, .min = CONTRACT_NONCE_BYTES, .max = CONTRACT_NONCE_BYTES },
    { .name = "reserves", .kind = JSON_OBJECT, .of = RESOURCES_RULES },
    { .name = "workloads", .kind = JSON_ARRAY, .optional = true, .items = JSON_OBJECT },
    { .name = "private", .kind = JSON_OBJECT, .optional = true, .of = CONTRACT_PRIVATE_RULES },
    { 0 },
};

static const struct json_rule CANCEL_RULES[] = {
    COMMON,
    { .name = "contract", .kind = JSON_HASH },
    { 0 },
};

static const struct json_rule RESULT_WORKLOAD_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = 32 },
    { .name = "state", .kind = JSON_STRING, .check = check_workload_state },
    { .name = "message", .kind = JSON_STRING, .max = MESSAGE_BYTES_MAX },
    { .name = "data", .kind = JSON_OBJECT },
    { 0 },
};

static const struct json_rule RESULT_RULES[] = {
    COMMON,
    { .name = "contract", .kind = JSON_HASH },
    { .name = "state", .kind = JSON_STRING, .check = check_state },
    { .name = "message", .kind = JSON_STRING, .optional = true, .max = MESSAGE_BYTES_MAX },
    { .name = "workloads",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = CONTRACT_WORKLOADS_MAX,
      .items = JSON_OBJECT,
      .of = RESULT_WORKLOAD_RULES },
    { .name = "private", .kind = JSON_OBJECT, .optional = true, .of = CONTRACT_PRIVATE_RULES },
    { 0 },
};

static const struct json_rule HEARTBEAT_RULES[] = {
    COMMON,
    { .name = "nonce", .kind = JSON_BASE64, .min = 16, .max = 64 },
    { .name = "uptime_s", .kind = JSON_INTEGER },
    { .name = "used", .kind = JSON_OBJECT, .of = RESOURCES_RULES },
    { .name = "log_size", .kind = JSON_INTEGER },
    { .name = "alerts", .kind = JSON_ARRAY, .max = ALERTS_MAX, .items = JSON_STRING, .check = check_alerts },
    { 0 },
};

static const struct json_rule TIME_RULES[] = {
    COMMON,
    { .name = "nonce", .kind = JSON_BASE64, .min = 16, .max = 64 },
    { .name = "heartbeat_s", .kind = JSON_INTEGER, .min = 1, .max = HEARTBEAT_S_MAX },
    { .name = "uncosigned_s", .kind = JSON_INTEGER, .optional = true },
    { 0 },
};

static const struct json_rule *const RULES[STATEMENT_KINDS] = {
    [STATEMENT_BOT] = BOT_RULES,       [STATEMENT_FARM] = FARM_RULES,           [STATEMENT_INVITE] = INVITE_RULES,
    [STATEMENT_NODE] = NODE_RULES,     [STATEMENT_CONTRACT] = CONTRACT_RULES,   [STATEMENT_CANCEL] = CANCEL_RULES,
    [STATEMENT_RESULT] = RESULT_RULES, [STATEMENT_HEARTBEAT] = HEARTBEAT_RULES, [STATEMENT_TIME] = TIME_RULES,
};

/* Contracts and results have their workloads in the open or sealed, never both, never neither. */
static int check_either(const cJSON *payload, struct reason *reason)
{
    if (!json_member(payload, "workloads") == !json_member(payload, "private"))
        return reason_refuse(reason, NULL, "must have either workloads or private");
    return 0;
}

/* The invite must be an envelope; whose it is and whether it is good is for the directory to say. */
static int check_invite(const cJSON *payload, struct reason *reason)
{
    struct envelope envelope;
    int r = envelope_from_json(json_member(payload, "invite"), &envelope, reason);

    if (r == REFUSED)
        return reason_prefix(reason, "invite");
    if (r == 0)
        envelope_close(&envelope);
    return r;
}

int statement_check_payload(enum statement_kind kind, const cJSON *payload, struct reason *reason)
{
    int r = json_check(payload, RULES[kind], "", reason);

    if (r == 0 && kind == STATEMENT_NODE)
        return check_invite(payload, reason);
    if (r == 0 && (kind == STATEMENT_CONTRACT || kind == STATEMENT_RESULT))
        r = check_either(payload, reason);
    if (r == 0 && kind == STATEMENT_CONTRACT && json_member(payload, "workloads"))
        r = contract_check_workloads(json_member(payload, "workloads"), reason);
    return r;
}
