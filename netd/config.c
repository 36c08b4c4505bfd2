/* Settings of links whose address isn't leased. Wrong settings count as none, so that the node still tries DHCP. */

#include "netd/config.h"

#include <stdio.h>
#include <string.h>

static bool parse_mac(const char *text, uint8_t ret_mac[static 6])
{
    int used = 0;
    return strlen(text) == LINK_MAC_TEXT_BYTES - 1 && strspn(text, "0123456789abcdef:") == strlen(text) &&
           sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &ret_mac[0], &ret_mac[1], &ret_mac[2], &ret_mac[3],
                  &ret_mac[4], &ret_mac[5], &used) == 6 &&
           used == LINK_MAC_TEXT_BYTES - 1;
}

static const char *check_mac(const cJSON *value)
{
    uint8_t mac[6];
    return parse_mac(value->valuestring, mac) ? NULL : "must be a MAC address like 52:54:00:12:34:56, in lower case";
}

static const char *check_address(const cJSON *value)
{
    struct prefix prefix;
    return prefix_parse(value->valuestring, &prefix) && prefix_usable(&prefix) ? NULL
                                                                               : "must be an address like 192.0.2.5/24";
}

static bool parse_host(const char *text, struct prefix *ret_prefix)
{
    return prefix_parse_address(text, ret_prefix) && prefix_usable(ret_prefix);
}

static const char *check_host(const cJSON *value)
{
    struct prefix prefix;
    return parse_host(value->valuestring, &prefix) ? NULL : "must be the address of a host";
}

static const char *check_hosts(const cJSON *value)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
        if (check_host(item))
            return "must hold addresses of hosts";
    return NULL;
}

static const struct json_rule STATIC_RULES[] = {
    { .name = "mac", .kind = JSON_STRING, .max = 17, .check = check_mac },
    { .name = "address", .kind = JSON_STRING, .max = PREFIX_TEXT_BYTES, .check = check_address },
    { .name = "gateway", .kind = JSON_STRING, .optional = true, .max = PREFIX_TEXT_BYTES, .check = check_host },
    { .name = "dns",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = LEASE_DNS_MAX,
      .items = JSON_STRING,
      .check = check_hosts },
    { 0 },
};

static const struct json_rule RULES[] = {
    { .name = "static",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = CONFIG_STATICS_MAX,
      .items = JSON_OBJECT,
      .of = STATIC_RULES },
    { 0 },
};

static struct config_static read_static(const cJSON *object)
{
    struct config_static one = { 0 };
    const char *gateway = json_string(object, "gateway");
    const cJSON *item;
    parse_mac(json_string(object, "mac"), one.mac);
    prefix_parse(json_string(object, "address"), &one.address);
    if (gateway)
        prefix_parse_address(gateway, &one.gateway);
    cJSON_ArrayForEach(item, json_member(object, "dns"))
        prefix_parse_address(item->valuestring, &one.dns[one.dns_count++]);
    return one;
}

int config_parse(const cJSON *network, struct config *ret_config, struct reason *reason)
{
    const cJSON *item;
    *ret_config = (struct config){ 0 };
    if (!network)
        return 0;
    if (json_check(network, RULES, "network", reason))
        return REFUSED;
    cJSON_ArrayForEach(item, json_member(network, "static")) {
        struct config_static one = read_static(item);
        if (one.gateway.family && one.gateway.family != one.address.family) {
            *ret_config = (struct config){ 0 };
            return reason_refuse(reason, "network.static", "address and gateway must be of one family");
        }
        ret_config->statics[ret_config->statics_count++] = one;
    }
    return 0;
}

const struct config_static *config_for(const struct config *config, const struct link *link)
{
    for (size_t i = 0; i < config->statics_count; i++)
        if (memcmp(config->statics[i].mac, link->mac, sizeof(link->mac)) == 0)
            return &config->statics[i];
    return NULL;
}
