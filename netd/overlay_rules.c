/* What network.apply's parameters may hold. They come from a contract, so that every value is held against the
 * network's own range: what a peer is allowed to send from can't reach past it. */

#include "netd/overlay.h"

#include "lib/encode.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *check_name(const cJSON *value)
{
    return endpoint_is_name(value->valuestring) ? NULL : "must match [a-z0-9][a-z0-9-]{0,62}";
}

/* Without host bits: one text for one network. */
static bool parse_network(const char *text, struct prefix *ret_prefix)
{
    struct prefix prefix;
    if (!prefix_parse(text, &prefix))
        return false;
    struct prefix network = prefix_network(&prefix);
    *ret_prefix = prefix;
    return prefix_equal(&prefix, &network);
}

static const char *check_network(const cJSON *value)
{
    struct prefix prefix;
    return parse_network(value->valuestring, &prefix) ? NULL : "must be a network like 10.20.0.0/16";
}

static const char *check_networks(const cJSON *value)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
        if (check_network(item))
            return "must hold networks like 10.20.2.0/24";
    return NULL;
}

/* "203.0.113.7:51820", "[2001:db8::7]:51820" */
static bool parse_endpoint(const char *text, struct prefix *ret_address, uint16_t *ret_port)
{
    char address[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':'), *end = colon;
    if (!colon)
        return false;
    if (text[0] == '[') {
        if (end == text || end[-1] != ']')
            return false;
        text++;
        end--;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    long port = digits > 0 && digits <= 5 && colon[1 + digits] == 0 ? strtol(colon + 1, NULL, 10) : 0;
    if (port < 1 || port > 65535 || (size_t)(end - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(end - text));
    address[end - text] = 0;
    *ret_port = (uint16_t)port;
    return prefix_parse_address(address, ret_address) && prefix_usable(ret_address) &&
           (ret_address->family == AF_INET6) == (end != colon);
}

static const char *check_endpoint(const cJSON *value)
{
    struct prefix address;
    uint16_t port;
    return parse_endpoint(value->valuestring, &address, &port) ? NULL
                                                               : "must be an address and port: 203.0.113.7:51820";
}

static const struct json_rule PEER_RULES[] = {
    { .name = "public_key", .kind = JSON_BASE64, .min = OVERLAY_KEY_BYTES, .max = OVERLAY_KEY_BYTES },
    { .name = "endpoint", .kind = JSON_STRING, .optional = true, .max = 64, .check = check_endpoint },
    { .name = "allowed",
      .kind = JSON_ARRAY,
      .max = OVERLAY_ALLOWED_MAX,
      .items = JSON_STRING,
      .check = check_networks },
    { 0 },
};

const struct json_rule OVERLAY_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = ENDPOINT_NAME_BYTES - 1, .check = check_name },
    { .name = "private_key", .kind = JSON_BASE64, .min = OVERLAY_KEY_BYTES, .max = OVERLAY_KEY_BYTES },
    { .name = "range", .kind = JSON_STRING, .max = PREFIX_TEXT_BYTES, .check = check_network },
    { .name = "subnet", .kind = JSON_STRING, .max = PREFIX_TEXT_BYTES, .check = check_network },
    { .name = "listen_port", .kind = JSON_INTEGER, .optional = true, .max = 65535 },
    { .name = "access", .kind = JSON_BOOL, .optional = true },
    { .name = "peers",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = OVERLAY_PEERS_MAX,
      .items = JSON_OBJECT,
      .of = PEER_RULES },
    { 0 },
};

static void read_key(const cJSON *object, const char *name, uint8_t ret_key[static OVERLAY_KEY_BYTES])
{
    size_t size;
    uint8_t *bytes = decode_base64(json_string(object, name), &size);
    if (bytes && size == OVERLAY_KEY_BYTES)
        memcpy(ret_key, bytes, OVERLAY_KEY_BYTES);
    if (bytes)
        sodium_memzero(bytes, size);
    free(bytes);
}

static int read_peer(const cJSON *object, const struct prefix *range, struct overlay_peer *ret_peer,
                     struct reason *reason)
{
    const char *endpoint = json_string(object, "endpoint");
    const cJSON *item;
    *ret_peer = (struct overlay_peer){ 0 };
    read_key(object, "public_key", ret_peer->public_key);
    if (endpoint)
        parse_endpoint(endpoint, &ret_peer->endpoint, &ret_peer->endpoint_port);
    cJSON_ArrayForEach(item, json_member(object, "allowed")) {
        struct prefix *allowed = &ret_peer->allowed[ret_peer->allowed_count++];
        parse_network(item->valuestring, allowed);
        if (!prefix_contains(range, allowed))
            return reason_refuse(reason, "allowed", "must lie in the network's range");
    }
    return 0;
}

int overlay_parse(const cJSON *params, struct overlay_network *ret_network, struct reason *reason)
{
    const cJSON *item;
    struct overlay_network *network = ret_network;
    *network = (struct overlay_network){ .listen_port = (uint16_t)json_integer(params, "listen_port"),
                                         .access = json_bool(params, "access") };
    snprintf(network->name, sizeof(network->name), "%s", json_string(params, "name"));
    parse_network(json_string(params, "range"), &network->range);
    parse_network(json_string(params, "subnet"), &network->subnet);
    if (!prefix_usable(&network->range) || network->range.length < 4)
        return reason_refuse(reason, "range", "must be a network of hosts");
    if (!prefix_contains(&network->range, &network->subnet))
        return reason_refuse(reason, "subnet", "must lie in the range");
    if (network->subnet.length > prefix_size(&network->subnet) * 8 - 2)
        return reason_refuse(reason, "subnet", "must have room for a gateway and a container");
    if (network->access && network->listen_port == 0)
        return reason_refuse(reason, "listen_port", "must be given when access is true");
    cJSON_ArrayForEach(item, json_member(params, "peers")) {
        char place[32];
        if (read_peer(item, &network->range, &network->peers[network->peers_count], reason)) {
            snprintf(place, sizeof(place), "peers[%zu]", network->peers_count);
            return reason_prefix(reason, place);
        }
        network->peers_count++;
    }
    read_key(params, "private_key", network->private_key);
    return 0;
}
