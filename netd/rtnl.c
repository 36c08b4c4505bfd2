/* Changes by rtnetlink, a message each. Attributes are bounded by the request's room, so that nla_put can't fail but
 * for our own mistakes: the kernel would then refuse what is missing. */

#include "netd/rtnl.h"

#include "netd/netlink.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

static struct nl_msg *link_request(int type, int flags, int family, int index, unsigned change)
{
    struct ifinfomsg header = {
        .ifi_family = (unsigned char)family, .ifi_index = index, .ifi_flags = change, .ifi_change = change
    };
    return netlink_request(type, flags, &header, sizeof(header));
}

int rtnl_set_up(int fd, int index)
{
    return netlink_call(fd, link_request(RTM_NEWLINK, 0, AF_UNSPEC, index, IFF_UP));
}

int rtnl_delete(int fd, int index)
{
    return netlink_call(fd, link_request(RTM_DELLINK, 0, AF_UNSPEC, index, 0));
}

int rtnl_set_mtu(int fd, int index, uint32_t mtu)
{
    struct nl_msg *request = link_request(RTM_NEWLINK, 0, AF_UNSPEC, index, 0);
    if (request)
        nla_put_u32(request, IFLA_MTU, mtu);
    return netlink_call(fd, request);
}

int rtnl_set_alias(int fd, int index, const char *alias)
{
    struct nl_msg *request = link_request(RTM_NEWLINK, 0, AF_UNSPEC, index, 0);
    if (request)
        nla_put(request, IFLA_IFALIAS, (int)strlen(alias), alias);
    return netlink_call(fd, request);
}

int rtnl_set_master(int fd, int index, int master)
{
    struct nl_msg *request = link_request(RTM_NEWLINK, 0, AF_UNSPEC, index, 0);
    if (request)
        nla_put_u32(request, IFLA_MASTER, (uint32_t)master);
    return netlink_call(fd, request);
}

static int set_port(int fd, int index)
{
    static const struct {
        int attribute;
        uint8_t value;
    } FLAGS[] = {
        { IFLA_BRPORT_ISOLATED, 1 },      { IFLA_BRPORT_LOCKED, 1 },      { IFLA_BRPORT_LEARNING, 0 },
        { IFLA_BRPORT_UNICAST_FLOOD, 0 }, { IFLA_BRPORT_MCAST_FLOOD, 0 }, { IFLA_BRPORT_BCAST_FLOOD, 0 },
    };
    struct nl_msg *request = link_request(RTM_SETLINK, 0, AF_BRIDGE, index, 0);
    struct nlattr *port = request ? nla_nest_start(request, IFLA_PROTINFO | NLA_F_NESTED) : NULL;
    for (size_t i = 0; port && i < sizeof(FLAGS) / sizeof(FLAGS[0]); i++)
        nla_put_u8(request, FLAGS[i].attribute, FLAGS[i].value);
    if (port)
        nla_nest_end(request, port);
    return netlink_call(fd, request);
}

static struct nl_msg *neighbour_request(int family, int index, int state, int flags, const uint8_t mac[static 6])
{
    struct ndmsg header = {
        .ndm_family = (uint8_t)family, .ndm_ifindex = index, .ndm_state = (uint16_t)state, .ndm_flags = (uint8_t)flags
    };
    struct nl_msg *request = netlink_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
    if (request)
        nla_put(request, NDA_LLADDR, 6, mac);
    return request;
}

int rtnl_confine_port(int fd, int index, const uint8_t mac[static 6])
{
    int result = set_port(fd, index);
    if (result < 0)
        return result;
    /* NUD_NOARP stands for "static" in a bridge's table */
    return netlink_call(fd, neighbour_request(AF_BRIDGE, index, NUD_NOARP | NUD_REACHABLE, NTF_MASTER, mac));
}

int rtnl_fix_neighbour(int fd, int index, const struct prefix *address, const uint8_t mac[static 6])
{
    struct nl_msg *request = neighbour_request(address->family, index, NUD_PERMANENT, 0, mac);
    if (request)
        nla_put(request, NDA_DST, (int)prefix_size(address), address->bytes);
    return netlink_call(fd, request);
}

#define NEW_LINK (NLM_F_CREATE | NLM_F_EXCL)

int rtnl_add_bridge(int fd, const char *name)
{
    struct nl_msg *request = link_request(RTM_NEWLINK, NEW_LINK, AF_UNSPEC, 0, 0);
    if (request) {
        nla_put_string(request, IFLA_IFNAME, name);
        struct nlattr *info = nla_nest_start(request, IFLA_LINKINFO);
        nla_put_string(request, IFLA_INFO_KIND, "bridge");
        nla_nest_end(request, info);
    }
    return netlink_call(fd, request);
}

int rtnl_add_veth(int fd, const char *name, int master, int netns_fd, const char *peer, int peer_netns_fd,
                  const uint8_t *peer_mac)
{
    struct ifinfomsg peer_header = { 0 };
    struct nl_msg *request = link_request(RTM_NEWLINK, NEW_LINK, AF_UNSPEC, 0, 0);
    if (!request)
        return -ENOMEM;
    nla_put_string(request, IFLA_IFNAME, name);
    if (master)
        nla_put_u32(request, IFLA_MASTER, (uint32_t)master);
    if (netns_fd >= 0)
        nla_put_u32(request, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    struct nlattr *info = nla_nest_start(request, IFLA_LINKINFO);
    nla_put_string(request, IFLA_INFO_KIND, "veth");
    struct nlattr *data = nla_nest_start(request, IFLA_INFO_DATA);
    struct nlattr *other = nla_nest_start(request, VETH_INFO_PEER);
    nlmsg_append(request, &peer_header, sizeof(peer_header), NLMSG_ALIGNTO);
    nla_put_string(request, IFLA_IFNAME, peer);
    if (peer_mac)
        nla_put(request, IFLA_ADDRESS, 6, peer_mac);
    nla_put_u32(request, IFLA_NET_NS_FD, (uint32_t)peer_netns_fd);
    nla_nest_end(request, other);
    nla_nest_end(request, data);
    nla_nest_end(request, info);
    return netlink_call(fd, request);
}

int rtnl_add_wireguard(int fd, const char *name, int netns_fd)
{
    struct nl_msg *request = link_request(RTM_NEWLINK, NEW_LINK, AF_UNSPEC, 0, 0);
    if (request) {
        nla_put_string(request, IFLA_IFNAME, name);
        nla_put_u32(request, IFLA_NET_NS_FD, (uint32_t)netns_fd);
        struct nlattr *info = nla_nest_start(request, IFLA_LINKINFO);
        nla_put_string(request, IFLA_INFO_KIND, "wireguard");
        nla_nest_end(request, info);
    }
    return netlink_call(fd, request);
}

static struct nl_msg *address_request(int type, int flags, int index, const struct prefix *prefix)
{
    struct ifaddrmsg header = { .ifa_family = (uint8_t)prefix->family,
                                .ifa_prefixlen = (uint8_t)prefix->length,
                                .ifa_index = (unsigned)index };
    struct nl_msg *request = netlink_request(type, flags, &header, sizeof(header));
    if (request) {
        nla_put(request, IFA_LOCAL, (int)prefix_size(prefix), prefix->bytes);
        nla_put(request, IFA_ADDRESS, (int)prefix_size(prefix), prefix->bytes);
    }
    return request;
}

int rtnl_add_address(int fd, int index, const struct prefix *prefix)
{
    int result = netlink_call(fd, address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, prefix));
    return result == -EEXIST ? 0 : result;
}

int rtnl_delete_address(int fd, int index, const struct prefix *prefix)
{
    return netlink_call(fd, address_request(RTM_DELADDR, 0, index, prefix));
}

int rtnl_add_route(int fd, int index, const struct prefix *destination, const struct prefix *gateway, uint32_t metric)
{
    struct prefix network = prefix_network(destination);
    struct rtmsg header = { .rtm_family = (uint8_t)network.family,
                            .rtm_dst_len = (uint8_t)network.length,
                            .rtm_table = RT_TABLE_MAIN,
                            .rtm_protocol = RTPROT_STATIC,
                            .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                            .rtm_type = RTN_UNICAST,
                            .rtm_flags = gateway ? RTNH_F_ONLINK : 0 };
    struct nl_msg *request = netlink_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
    if (!request)
        return -ENOMEM;
    if (network.length)
        nla_put(request, RTA_DST, (int)prefix_size(&network), network.bytes);
    if (gateway)
        nla_put(request, RTA_GATEWAY, (int)prefix_size(gateway), gateway->bytes);
    nla_put_u32(request, RTA_OIF, (uint32_t)index);
    if (metric)
        nla_put_u32(request, RTA_PRIORITY, metric);
    return netlink_call(fd, request);
}

static void on_found(void *context, struct nlmsghdr *message)
{
    const struct ifinfomsg *header = nlmsg_data(message);
    if (message->nlmsg_type == RTM_NEWLINK)
        *(int *)context = header->ifi_index;
}

int rtnl_find(int fd, const char *name)
{
    int index = -ENODEV;
    struct nl_msg *request = link_request(RTM_GETLINK, 0, AF_UNSPEC, 0, 0);
    if (request)
        nla_put_string(request, IFLA_IFNAME, name);
    int result = netlink_query(fd, request, on_found, &index);
    return result < 0 ? result : index;
}
