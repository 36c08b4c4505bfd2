/* What may stand in a contract's workloads. First each workload is held against the table of its type, then against the
 * others: names, mounts and networks are references that must hold within the one contract. */

#include "lib/contract.h"

#include "lib/contract_text.h"

#include <stdlib.h>
#include <string.h>

#define CPU_MILLI_MAX 1024000 /* 1024 CPUs: the kernel's limit on x86-64 is 8192, no machine of the grid comes near */
#define MEMORY_BYTES_MIN 4194304
#define DISK_BYTES_MIN 1048576
#define PEERS_MAX 64
#define PLACE_BYTES 64

/* ---- Checks that are more than a bound */

static const char *check_media(const cJSON *value)
{
    return strcmp(value->valuestring, "ssd") == 0 || strcmp(value->valuestring, "hdd") == 0 ? NULL
                                                                                            : "must be ssd or hdd";
}

static const char *check_restart(const cJSON *value)
{
    static const char *const words[] = { "always", "on-failure", "never" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value->valuestring, words[i]) == 0)
            return NULL;
    }
    return "must be always, on-failure or never";
}

static const char *check_type(const cJSON *value)
{
    static const char *const words[] = { "network", "volume", "container" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value->valuestring, words[i]) == 0)
            return NULL;
    }
    return "must be network, volume or container";
}

static const char *check_workload_name(const cJSON *value)
{
    return contract_is_workload_name(value->valuestring)
               ? NULL
               : "must be 1 to 32 of a-z, 0-9 and '-', the first a letter or a digit";
}

static const char *check_image(const cJSON *value)
{
    return contract_is_image(value->valuestring) ? NULL : "must be host[:port]/path@sha256:<64 hexadecimal digits>";
}

static const char *check_user(const cJSON *value)
{
    return contract_is_user(value->valuestring) ? NULL : "must be empty, or a user or user:group, as names or numbers";
}

static const char *check_target(const cJSON *value)
{
    return contract_path_problem(value->valuestring);
}

static const char *check_cidr(const cJSON *value)
{
    struct contract_cidr cidr;

    return contract_parse_cidr(value->valuestring, &cidr) ? NULL
                                                          : "must be an IPv4 network as 10.20.0.0/16, host bits zero";
}

static const char *check_cidrs(const cJSON *value)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, value) {
        const char *problem = check_cidr(item);
        if (problem)
            return "must hold IPv4 networks as 10.20.2.0/24, host bits zero";
    }
    return NULL;
}

static const char *check_address(const cJSON *value)
{
    uint32_t address;

    return contract_parse_address(value->valuestring, &address) ? NULL : "must be an IPv4 address";
}

static const char *check_endpoint(const cJSON *value)
{
    return contract_is_endpoint(value->valuestring) ? NULL : "must be address:port or [IPv6 address]:port";
}

static const char *check_listen_port(const cJSON *value)
{
    return value->valuedouble == 0 || value->valuedouble >= 1024 ? NULL : "must be 0 or 1024 to 65535";
}

static const char *check_names_of_environment(const cJSON *value)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, value) {
        if (!contract_is_environment_name(item->string))
            return "must have names of 1 to 128 of letters, digits, '_', '.' and '-', not beginning with a digit, '.' "
                   "or '-'";
    }
    return NULL;
}

static const char *check_secrets(const cJSON *value)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, value) {
        if (strlen(item->valuestring) < 64) /* crypto_box_SEALBYTES is 48 */
            return "must hold sealed boxes, which have at least 48 bytes";
    }
    return check_names_of_environment(value);
}

static const char *check_entrypoint(const cJSON *value)
{
    return value->child && !*value->child->valuestring ? "must not begin with an empty string" : NULL;
}

/* ---- The tables */

static const struct json_rule PEER_RULES[] = {
    { .name = "public_key", .kind = JSON_BASE64, .min = 32, .max = 32 },
    { .name = "endpoint", .kind = JSON_STRING, .optional = true, .max = 64, .check = check_endpoint },
    { .name = "allowed", .kind = JSON_ARRAY, .min = 1, .max = 64, .items = JSON_STRING, .check = check_cidrs },
    { 0 },
};

static const struct json_rule NETWORK_RULES[] = {
    { .name = "range", .kind = JSON_STRING, .check = check_cidr },
    { .name = "subnet", .kind = JSON_STRING, .check = check_cidr },
    { .name = "listen_port", .kind = JSON_INTEGER, .optional = true, .max = 65535, .check = check_listen_port },
    { .name = "access", .kind = JSON_BOOL, .optional = true },
    { .name = "peers", .kind = JSON_ARRAY, .optional = true, .max = PEERS_MAX, .items = JSON_OBJECT, .of = PEER_RULES },
    { 0 },
};

static const struct json_rule VOLUME_RULES[] = {
    { .name = "size_bytes", .kind = JSON_INTEGER, .min = DISK_BYTES_MIN },
    { .name = "media", .kind = JSON_STRING, .check = check_media },
    { 0 },
};

static const struct json_rule MOUNT_RULES[] = {
    { .name = "volume", .kind = JSON_STRING, .check = check_workload_name },
    { .name = "target", .kind = JSON_STRING, .min = 2, .max = 1024, .check = check_target },
    { .name = "read_only", .kind = JSON_BOOL, .optional = true },
    { 0 },
};

static const struct json_rule ATTACHMENT_RULES[] = {
    { .name = "network", .kind = JSON_STRING, .check = check_workload_name },
    { .name = "address", .kind = JSON_STRING, .check = check_address },
    { 0 },
};

static const struct json_rule CONTAINER_RULES[] = {
    { .name = "image", .kind = JSON_STRING, .max = 512, .check = check_image },
    { .name = "plain_http", .kind = JSON_BOOL, .optional = true },
    { .name = "entrypoint", .kind = JSON_ARRAY, .optional = true, .max = 256, .check = check_entrypoint },
    { .name = "args", .kind = JSON_ARRAY, .optional = true, .max = 256 },
    { .name = "env", .kind = JSON_MAP, .optional = true, .max = 256, .check = check_names_of_environment },
    { .name = "secret_env",
      .kind = JSON_MAP,
      .optional = true,
      .max = 256,
      .items = JSON_BASE64,
      .check = check_secrets },
    { .name = "cpu_milli", .kind = JSON_INTEGER, .min = 1, .max = CPU_MILLI_MAX },
    { .name = "memory_bytes", .kind = JSON_INTEGER, .min = MEMORY_BYTES_MIN },
    { .name = "root_size_bytes", .kind = JSON_INTEGER, .min = DISK_BYTES_MIN },
    { .name = "user", .kind = JSON_STRING, .optional = true, .check = check_user },
    { .name = "mounts", .kind = JSON_ARRAY, .optional = true, .max = 64, .items = JSON_OBJECT, .of = MOUNT_RULES },
    { .name = "networks",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = 16,
      .items = JSON_OBJECT,
      .of = ATTACHMENT_RULES },
    { .name = "restart", .kind = JSON_STRING, .optional = true, .check = check_restart },
    { 0 },
};

static const struct json_rule WORKLOAD_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .check = check_workload_name },
    { .name = "type", .kind = JSON_STRING, .check = check_type },
    { .name = "data", .kind = JSON_OBJECT },
    { 0 },
};

static const struct json_rule *rules_of(const char *type)
{
    if (strcmp(type, "network") == 0)
        return NETWORK_RULES;
    return strcmp(type, "volume") == 0 ? VOLUME_RULES : CONTAINER_RULES;
}

/* ---- What holds between keys, and between workloads */

static int check_peers(const cJSON *data, struct contract_cidr range, struct contract_cidr subnet, const char *place,
                       struct reason *reason)
{
    const cJSON *peer, *other, *allowed;
    size_t i = 0;

    cJSON_ArrayForEach(peer, json_member(data, "peers")) {
        char inner[PLACE_BYTES];
        snprintf(inner, sizeof inner, "%.32s.peers[%zu]", place, i++);
        cJSON_ArrayForEach(allowed, json_member(peer, "allowed")) {
            struct contract_cidr cidr = { 0 };
            contract_parse_cidr(allowed->valuestring, &cidr);
            if (!contract_cidr_contains(range, cidr))
                return reason_refuse(reason, inner, "allowed must lie within the range");
            if (contract_cidr_contains(subnet, cidr) || contract_cidr_contains(cidr, subnet))
                return reason_refuse(reason, inner, "allowed must not overlap the subnet of the node itself");
        }
        for (other = json_member(data, "peers")->child; other != peer; other = other->next) {
            if (strcmp(json_string(other, "public_key"), json_string(peer, "public_key")) == 0)
                return reason_refuse(reason, inner, "public_key stands twice");
        }
    }
    return 0;
}

static int check_network(const cJSON *data, const char *place, struct reason *reason)
{
    struct contract_cidr range = { 0 }, subnet = { 0 };

    contract_parse_cidr(json_string(data, "range"), &range);
    contract_parse_cidr(json_string(data, "subnet"), &subnet);
    if (!contract_cidr_is_private(range))
        return reason_refuse(reason, place, "range must lie within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16");
    if (!contract_cidr_contains(range, subnet))
        return reason_refuse(reason, place, "subnet must lie within the range");
    if (subnet.prefix > 30)
        return reason_refuse(reason, place, "subnet must be a /30 or larger");
    if (json_bool(data, "access") && json_integer(data, "listen_port") == 0)
        return reason_refuse(reason, place, "listen_port must be given when access is true");
    return check_peers(data, range, subnet, place, reason);
}

/* The data of the workload of that name and type, or NULL. */
static const cJSON *find_workload(const cJSON *workloads, const char *name, const char *type)
{
    const cJSON *workload;

    cJSON_ArrayForEach(workload, workloads) {
        if (strcmp(json_string(workload, "name"), name) == 0)
            return strcmp(json_string(workload, "type"), type) == 0 ? json_member(workload, "data") : NULL;
    }
    return NULL;
}

static int check_mounts(const cJSON *workloads, const cJSON *data, const char *place, struct reason *reason)
{
    const cJSON *mounts = json_member(data, "mounts"), *mount, *other;
    size_t i = 0;

    cJSON_ArrayForEach(mount, mounts) {
        char inner[PLACE_BYTES];
        snprintf(inner, sizeof inner, "%.32s.mounts[%zu].%s", place, i, "volume");
        if (!find_workload(workloads, json_string(mount, "volume"), "volume"))
            return reason_refuse(reason, inner, "must name a volume of this contract");
        snprintf(inner, sizeof inner, "%.32s.mounts[%zu].%s", place, i++, "target");
        for (other = mounts->child; other != mount; other = other->next) {
            if (strcmp(json_string(other, "target"), json_string(mount, "target")) == 0)
                return reason_refuse(reason, inner, "stands twice");
        }
    }
    return 0;
}

static int check_address_in(const cJSON *network, const char *text, const char *place, struct reason *reason)
{
    struct contract_cidr subnet = { 0 };
    uint32_t address = 0, host, last;

    contract_parse_cidr(json_string(network, "subnet"), &subnet);
    contract_parse_address(text, &address);
    if (!contract_cidr_contains(subnet, (struct contract_cidr){ .address = address, .prefix = 32 }))
        return reason_refuse(reason, place, "must lie within the network's subnet");
    host = address - subnet.address;
    last = UINT32_MAX >> subnet.prefix;
    if (host == 0 || host == last)
        return reason_refuse(reason, place, "must not be the network's own or its broadcast address");
    if (host == 1)
        return reason_refuse(reason, place, "must not be the first address of the subnet, which is the node's");
    return 0;
}

/* Whether an attachment before this one, in this container or an earlier one, has the same network and address. */
static bool is_taken(const cJSON *workloads, const cJSON *wanted)
{
    const cJSON *workload, *attachment;

    cJSON_ArrayForEach(workload, workloads) {
        cJSON_ArrayForEach(attachment, json_member(json_member(workload, "data"), "networks")) {
            if (attachment == wanted)
                return false;
            if (strcmp(json_string(attachment, "network"), json_string(wanted, "network")) == 0 &&
                strcmp(json_string(attachment, "address"), json_string(wanted, "address")) == 0)
                return true;
        }
    }
    return false;
}

static int check_networks(const cJSON *workloads, const cJSON *data, const char *place, struct reason *reason)
{
    const cJSON *networks = json_member(data, "networks"), *attachment, *other;
    size_t i = 0;
    int r;

    cJSON_ArrayForEach(attachment, networks) {
        const char *name = json_string(attachment, "network");
        const cJSON *network = find_workload(workloads, name, "network");
        char inner[PLACE_BYTES];
        snprintf(inner, sizeof inner, "%.32s.networks[%zu].%s", place, i, "network");
        if (!network)
            return reason_refuse(reason, inner, "must name a network of this contract");
        for (other = networks->child; other != attachment; other = other->next) {
            if (strcmp(json_string(other, "network"), name) == 0)
                return reason_refuse(reason, inner, "stands twice");
        }
        snprintf(inner, sizeof inner, "%.32s.networks[%zu].%s", place, i++, "address");
        r = check_address_in(network, json_string(attachment, "address"), inner, reason);
        if (r)
            return r;
        if (is_taken(workloads, attachment))
            return reason_refuse(reason, inner, "is another container's already");
    }
    return 0;
}

static int check_container(const cJSON *workloads, const cJSON *data, const char *place, struct reason *reason)
{
    const cJSON *secret;
    int r;

    cJSON_ArrayForEach(secret, json_member(data, "secret_env")) {
        if (json_member(json_member(data, "env"), secret->string))
            return reason_refuse(reason, place, "secret_env and env both have %.64s", secret->string);
    }
    r = check_mounts(workloads, data, place, reason);
    return r ? r : check_networks(workloads, data, place, reason);
}

/* By the tables alone. */
static int check_workload(const cJSON *workload, size_t index, struct reason *reason)
{
    char place[PLACE_BYTES];
    int r;

    snprintf(place, sizeof place, "workloads[%zu]", index);
    r = json_check(workload, WORKLOAD_RULES, place, reason);
    if (r)
        return r;
    snprintf(place, sizeof place, "workloads[%zu].data", index);
    return json_check(json_member(workload, "data"), rules_of(json_string(workload, "type")), place, reason);
}

/* Beyond the tables. */
static int check_references(const cJSON *workloads, const cJSON *workload, size_t index, struct reason *reason)
{
    const cJSON *data = json_member(workload, "data"), *other;
    char place[PLACE_BYTES];

    snprintf(place, sizeof place, "workloads[%zu].name", index);
    for (other = workloads->child; other != workload; other = other->next) {
        if (strcmp(json_string(other, "name"), json_string(workload, "name")) == 0)
            return reason_refuse(reason, place, "stands twice");
    }
    snprintf(place, sizeof place, "workloads[%zu].data", index);
    if (strcmp(json_string(workload, "type"), "network") == 0)
        return check_network(data, place, reason);
    if (strcmp(json_string(workload, "type"), "container") == 0)
        return check_container(workloads, data, place, reason);
    return 0;
}

int contract_check_workloads(const cJSON *workloads, struct reason *reason)
{
    const cJSON *workload;
    size_t i = 0;
    int r = 0;

    if (!cJSON_IsArray(workloads))
        return reason_refuse(reason, "workloads", "must be an array");
    if (cJSON_GetArraySize(workloads) < 1 || cJSON_GetArraySize(workloads) > CONTRACT_WORKLOADS_MAX)
        return reason_refuse(reason, "workloads", "must have 1 to %d items", CONTRACT_WORKLOADS_MAX);
    cJSON_ArrayForEach(workload, workloads) {
        if (!r)
            r = check_workload(workload, i++, reason);
    }
    i = 0;
    cJSON_ArrayForEach(workload, workloads) {
        if (!r)
            r = check_references(workloads, workload, i++, reason);
    }
    return r;
}

struct resources contract_needs(const cJSON *workloads)
{
    struct resources sum = { 0 };
    const cJSON *workload;

    cJSON_ArrayForEach(workload, workloads) {
        const cJSON *data = json_member(workload, "data");
        const char *type = json_string(workload, "type");
        struct resources needs = { 0 };
        if (strcmp(type, "container") == 0) {
            needs.cru_milli = json_integer(data, "cpu_milli");
            needs.mru_bytes = json_integer(data, "memory_bytes");
            needs.sru_bytes = json_integer(data, "root_size_bytes");
        } else if (strcmp(type, "volume") == 0) {
            bool ssd = strcmp(json_string(data, "media"), "ssd") == 0;
            *(ssd ? &needs.sru_bytes : &needs.hru_bytes) = json_integer(data, "size_bytes");
        }
        sum = resources_add(sum, needs);
    }
    return sum;
}
