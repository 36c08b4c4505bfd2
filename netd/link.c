/* Observes links, addresses and default routes. Notifications are only a hint that something changed: what counts is
 * always a whole new snapshot, so that a lost notification (ENOBUFS) costs nothing. */

#include "netd/link.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "netd/netlink.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *treat_as_physical[8];

void link_treat_as_physical(const char *name)
{
    for (size_t i = 0; i < sizeof(treat_as_physical) / sizeof(treat_as_physical[0]); i++)
        if (!treat_as_physical[i]) {
            treat_as_physical[i] = name;
            return;
        }
}

static bool is_treated_as_physical(const char *name)
{
    for (size_t i = 0; i < sizeof(treat_as_physical) / sizeof(treat_as_physical[0]) && treat_as_physical[i]; i++)
        if (strcmp(treat_as_physical[i], name) == 0)
            return true;
    return false;
}

/* Filled by one dump: items of one size, at the end of a growing array. */
struct collection {
    void *items;
    size_t count, size;
    bool failed;
};

static void collect(struct collection *collection, const void *item)
{
    void *items = collection->items;
    if ((collection->count & (collection->count - 1)) == 0) { /* powers of two: double it */
        size_t room = collection->count ? collection->count * 2 : 1;
        items = reallocarray(collection->items, room, collection->size);
        collection->failed |= !items;
    }
    if (collection->failed)
        return;
    collection->items = items;
    memcpy((char *)items + collection->count * collection->size, item, collection->size);
    collection->count++;
}

static void copy_text(const struct nlattr *attribute, char *ret_text, size_t size)
{
    if (attribute)
        snprintf(ret_text, size, "%.*s", nla_len(attribute), (const char *)nla_data(attribute));
}

static void read_kind(struct nlattr *info, struct link *link)
{
    struct nlattr *kind = info ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND) : NULL;
    copy_text(kind, link->kind, sizeof(link->kind));
}

static void on_link(void *context, struct nlmsghdr *message)
{
    struct nlattr *attributes[IFLA_MAX + 1];
    const struct ifinfomsg *header = nlmsg_data(message);
    struct link link = { 0 };
    if (message->nlmsg_type != RTM_NEWLINK || nlmsg_parse(message, sizeof(*header), attributes, IFLA_MAX, NULL) < 0)
        return;
    link.index = header->ifi_index;
    link.up = header->ifi_flags & IFF_UP;
    copy_text(attributes[IFLA_IFNAME], link.name, sizeof(link.name));
    copy_text(attributes[IFLA_IFALIAS], link.alias, sizeof(link.alias));
    read_kind(attributes[IFLA_LINKINFO], &link);
    if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == sizeof(link.mac))
        memcpy(link.mac, nla_data(attributes[IFLA_ADDRESS]), sizeof(link.mac));
    if (attributes[IFLA_MASTER])
        link.master = (int)nla_get_u32(attributes[IFLA_MASTER]);
    link.carrier = link.up && attributes[IFLA_CARRIER] && nla_get_u8(attributes[IFLA_CARRIER]);
    link.physical = header->ifi_type == ARPHRD_ETHER && !(header->ifi_flags & IFF_LOOPBACK) &&
                    (link.kind[0] == 0 || is_treated_as_physical(link.name));
    collect(context, &link);
}

static void on_address(void *context, struct nlmsghdr *message)
{
    struct nlattr *attributes[IFA_MAX + 1];
    const struct ifaddrmsg *header = nlmsg_data(message);
    if (message->nlmsg_type != RTM_NEWADDR || nlmsg_parse(message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
        return;
    /* On a point-to-point link IFA_ADDRESS is the other end. */
    const struct nlattr *own = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    int size = header->ifa_family == AF_INET ? 4 : 16;
    if (!own || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) || nla_len(own) != size)
        return;
    struct link_address address = { .index = (int)header->ifa_index,
                                    .prefix = prefix_make(header->ifa_family, nla_data(own), header->ifa_prefixlen) };
    collect(context, &address);
}

static bool is_default_route(const struct rtmsg *header, struct nlattr *const *attributes)
{
    uint32_t table = attributes[RTA_TABLE] ? nla_get_u32(attributes[RTA_TABLE]) : header->rtm_table;
    return header->rtm_dst_len == 0 && header->rtm_type == RTN_UNICAST && table == RT_TABLE_MAIN &&
           attributes[RTA_OIF] && (header->rtm_family == AF_INET || header->rtm_family == AF_INET6);
}

static void on_route(void *context, struct nlmsghdr *message)
{
    struct nlattr *attributes[RTA_MAX + 1];
    const struct rtmsg *header = nlmsg_data(message);
    if (message->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(message, sizeof(*header), attributes, RTA_MAX, NULL) < 0 ||
        !is_default_route(header, attributes))
        return;
    struct link_route route = { .index = (int)nla_get_u32(attributes[RTA_OIF]), .family = header->rtm_family };
    if (attributes[RTA_PRIORITY])
        route.metric = nla_get_u32(attributes[RTA_PRIORITY]);
    int size = header->rtm_family == AF_INET ? 4 : 16;
    if (attributes[RTA_GATEWAY] && nla_len(attributes[RTA_GATEWAY]) == size)
        route.gateway = prefix_make(header->rtm_family, nla_data(attributes[RTA_GATEWAY]), (unsigned)size * 8);
    collect(context, &route);
}

#define DUMP_TRIES 5

static int dump(int fd, int type, const void *header, size_t header_size, netlink_receive *receive,
                struct collection *collection)
{
    int result = -EINTR;
    for (int tries = 0; result == -EINTR && tries < DUMP_TRIES; tries++) {
        collection->count = 0;
        struct nl_msg *request = netlink_request(type, NLM_F_DUMP, header, header_size);
        if (request && type == RTM_GETLINK)
            nla_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        result = netlink_query(fd, request, receive, collection);
    }
    return result < 0 ? result : collection->failed ? -ENOMEM : 0;
}

int link_observe(int rtnl_fd, struct link_snapshot *ret_snapshot)
{
    struct collection links = { .size = sizeof(struct link) }, addresses = { .size = sizeof(struct link_address) },
                      routes = { .size = sizeof(struct link_route) };
    struct ifinfomsg link_header = { 0 };
    struct ifaddrmsg address_header = { 0 };
    struct rtmsg route_header = { 0 };
    int result = dump(rtnl_fd, RTM_GETLINK, &link_header, sizeof(link_header), on_link, &links);
    if (result == 0)
        result = dump(rtnl_fd, RTM_GETADDR, &address_header, sizeof(address_header), on_address, &addresses);
    if (result == 0)
        result = dump(rtnl_fd, RTM_GETROUTE, &route_header, sizeof(route_header), on_route, &routes);
    struct link_snapshot snapshot = { links.items,     links.count,  addresses.items,
                                      addresses.count, routes.items, routes.count };
    if (result < 0) {
        link_snapshot_close(&snapshot);
        return log_fail(result, "observe the links");
    }
    *ret_snapshot = snapshot;
    return 0;
}

void link_snapshot_close(struct link_snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->links);
    free(snapshot->addresses);
    free(snapshot->routes);
    *snapshot = (struct link_snapshot){ 0 };
}

int link_watch(void)
{
    static const unsigned GROUPS[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR,
                                       RTNLGRP_IPV6_ROUTE };
    cleanup_close int fd = netlink_open(NETLINK_ROUTE);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < sizeof(GROUPS) / sizeof(GROUPS[0]); i++) {
        int result = netlink_join(fd, GROUPS[i]);
        if (result < 0)
            return result;
    }
    return steal_fd(&fd);
}

const struct link *link_by_name(const struct link_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->links_count; i++)
        if (strcmp(snapshot->links[i].name, name) == 0)
            return &snapshot->links[i];
    return NULL;
}

const struct link *link_by_index(const struct link_snapshot *snapshot, int index)
{
    for (size_t i = 0; i < snapshot->links_count; i++)
        if (snapshot->links[i].index == index)
            return &snapshot->links[i];
    return NULL;
}

void link_format_mac(const struct link *link, char ret_text[static LINK_MAC_TEXT_BYTES])
{
    const uint8_t *m = link->mac;
    snprintf(ret_text, LINK_MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}
