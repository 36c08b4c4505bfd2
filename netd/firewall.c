/* The rules, in the order in which they are tried:
 *
 *   input (drop):      established, loopback, ICMPv6 that IPv6 can't do without, DHCPv6 answers, open WireGuard ports
 *   forward (drop):    established; from the NAT bridge out of the uplink, unless to a private or local network;
 *                      DNS that was translated below
 *   prerouting (nat):  DNS to the bridge's own addresses goes to the uplink's resolvers
 *   postrouting (nat): what leaves from the NAT subnet takes the uplink's address
 *
 * dhcpcd hears DHCPv4 offers on a packet socket, ahead of these rules, and renewals are answers to its own requests. */

#include "netd/firewall.h"

#include "lib/log.h"
#include "netd/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/icmp6.h>
#include <string.h>

/* Where containers don't go: private (RFC 1918), shared (RFC 6598), link-local with the clouds' metadata services (RFC
 * 3927), this host, loopback, multicast and reserved (RFC 6890). What lies there belongs to the farmer. */
static const struct {
    uint8_t bytes[4];
    uint8_t length;
} CLOSED[] = { { { 0, 0, 0, 0 }, 8 },    { { 10, 0, 0, 0 }, 8 },     { { 100, 64, 0, 0 }, 10 },
               { { 127, 0, 0, 0 }, 8 },  { { 169, 254, 0, 0 }, 16 }, { { 172, 16, 0, 0 }, 12 },
               { { 192, 0, 0, 0 }, 24 }, { { 192, 168, 0, 0 }, 16 }, { { 198, 18, 0, 0 }, 15 },
               { { 224, 0, 0, 0 }, 3 } };

/* Without these neither neighbours nor routers are found, nor path MTUs (RFC 4890 §4.4); the first four are answers to
 * traffic of ours. */
static const uint8_t ICMPV6[] = { ICMP6_DST_UNREACH,  ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB,
                                  MLD_LISTENER_QUERY, ND_ROUTER_ADVERT,     ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT };

enum { IPV4_SOURCE = 12, IPV4_DESTINATION = 16, IPV6_SOURCE = 8 }; /* offsets, RFC 791 §3.1, RFC 8200 §3 */
enum { PORT_DESTINATION = 2 };                                     /* RFC 768, RFC 9293 */
enum { DHCPV6_CLIENT = 546, DNS = 53 };

static void begin(struct nft_rule *rule, struct nft_batch *batch, const char *chain)
{
    nft_rule_begin(rule, batch, FIREWALL_TABLE, chain);
}

static void end(struct nft_rule *rule, int32_t verdict)
{
    nft_verdict(rule, verdict);
    nft_rule_end(rule);
}

/* The kernel compares all 16 bytes of a name. */
static void match_link(struct nft_rule *rule, uint32_t key, bool equal, const char *name)
{
    char padded[IFNAMSIZ] = "";
    memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
    nft_load_meta(rule, key);
    nft_compare(rule, equal, padded, sizeof(padded));
}

static void match_family(struct nft_rule *rule, uint8_t family)
{
    nft_load_meta(rule, NFT_META_NFPROTO);
    nft_compare(rule, true, &family, sizeof(family));
}

static void match_protocol(struct nft_rule *rule, uint8_t protocol)
{
    nft_load_meta(rule, NFT_META_L4PROTO);
    nft_compare(rule, true, &protocol, sizeof(protocol));
}

static void match_port(struct nft_rule *rule, uint8_t protocol, uint16_t port)
{
    uint16_t bytes = htons(port);
    match_protocol(rule, protocol);
    nft_load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, sizeof(bytes));
    nft_compare(rule, true, &bytes, sizeof(bytes));
}

/* The address at `offset` of the IPv4 header lies (or not) in the prefix. */
static void match_ipv4(struct nft_rule *rule, uint32_t offset, bool inside, const struct prefix *prefix)
{
    struct prefix network = prefix_network(prefix);
    uint32_t mask = network.length ? htonl(~0u << (32 - network.length)) : 0;
    match_family(rule, NFPROTO_IPV4);
    nft_load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, 4);
    if (network.length < 32)
        nft_mask(rule, &mask, sizeof(mask));
    nft_compare(rule, inside, network.bytes, 4);
}

static void match_ct_bits(struct nft_rule *rule, uint32_t key, uint32_t bits)
{
    uint32_t none = 0;
    nft_load_ct(rule, key);
    nft_mask(rule, &bits, sizeof(bits));
    nft_compare(rule, false, &none, sizeof(none));
}

/* What belongs to a connection that was let out passes; what belongs to none that could be is dropped. */
static void add_state_rules(struct nft_batch *batch, const char *chain)
{
    struct nft_rule rule;
    begin(&rule, batch, chain);
    match_ct_bits(&rule, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
    end(&rule, NF_ACCEPT);
}

static void add_input(const struct firewall *firewall, struct nft_batch *batch)
{
    static const uint8_t LINK_LOCAL[2] = { 0xfe, 0x80 }, MASK[2] = { 0xff, 0xc0 }; /* fe80::/10 */
    struct nft_rule rule;
    nft_add_chain(batch, FIREWALL_TABLE, "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, true);
    add_state_rules(batch, "input");
    begin(&rule, batch, "input");
    match_link(&rule, NFT_META_IIFNAME, true, "lo");
    end(&rule, NF_ACCEPT);
    for (size_t i = 0; i < sizeof(ICMPV6); i++) {
        begin(&rule, batch, "input");
        match_protocol(&rule, IPPROTO_ICMPV6);
        nft_load_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        nft_compare(&rule, true, &ICMPV6[i], 1);
        end(&rule, NF_ACCEPT);
    }
    begin(&rule, batch, "input"); /* the request went to a multicast address, so its answer isn't "established" */
    match_family(&rule, NFPROTO_IPV6);
    nft_load_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, IPV6_SOURCE, sizeof(LINK_LOCAL));
    nft_mask(&rule, MASK, sizeof(MASK));
    nft_compare(&rule, true, LINK_LOCAL, sizeof(LINK_LOCAL));
    match_port(&rule, IPPROTO_UDP, DHCPV6_CLIENT);
    end(&rule, NF_ACCEPT);
    for (size_t i = 0; i < firewall->ports_count; i++) {
        begin(&rule, batch, "input");
        if (firewall->bridge[0])
            match_link(&rule, NFT_META_IIFNAME, false, firewall->bridge);
        match_port(&rule, IPPROTO_UDP, firewall->ports[i]);
        end(&rule, NF_ACCEPT);
    }
}

static void forward_drop_to(struct nft_batch *batch, const struct prefix *prefix)
{
    struct nft_rule rule;
    begin(&rule, batch, "forward");
    match_ipv4(&rule, IPV4_DESTINATION, true, prefix);
    end(&rule, NF_DROP);
}

static void add_forward_from_bridge(const struct firewall *firewall, struct nft_batch *batch)
{
    struct nft_rule rule;
    begin(&rule, batch, "forward"); /* only with an address of ours */
    match_link(&rule, NFT_META_IIFNAME, true, firewall->bridge);
    match_ipv4(&rule, IPV4_SOURCE, false, &firewall->nat);
    end(&rule, NF_DROP);
    begin(&rule, batch, "forward"); /* translated by our own rules for DNS */
    match_link(&rule, NFT_META_IIFNAME, true, firewall->bridge);
    match_ct_bits(&rule, NFT_CT_STATUS, IPS_DST_NAT);
    end(&rule, NF_ACCEPT);
    for (size_t i = 0; i < sizeof(CLOSED) / sizeof(CLOSED[0]); i++) {
        struct prefix closed = prefix_make(AF_INET, CLOSED[i].bytes, CLOSED[i].length);
        forward_drop_to(batch, &closed);
    }
    for (size_t i = 0; i < firewall->lans_count; i++)
        forward_drop_to(batch, &firewall->lans[i]);
    begin(&rule, batch, "forward");
    match_link(&rule, NFT_META_IIFNAME, true, firewall->bridge);
    match_link(&rule, NFT_META_OIFNAME, true, firewall->uplink);
    match_family(&rule, NFPROTO_IPV4);
    end(&rule, NF_ACCEPT);
}

static void add_dns(const struct firewall *firewall, struct nft_batch *batch, size_t i, uint8_t protocol)
{
    struct nft_rule rule;
    begin(&rule, batch, "prerouting");
    match_link(&rule, NFT_META_IIFNAME, true, firewall->bridge);
    match_ipv4(&rule, IPV4_DESTINATION, true, &firewall->dns_local[i]);
    match_port(&rule, protocol, DNS);
    nft_dnat_ipv4(&rule, firewall->dns[i].bytes);
    nft_rule_end(&rule);
}

static void add_nat(const struct firewall *firewall, struct nft_batch *batch)
{
    struct nft_rule rule;
    nft_add_chain(batch, FIREWALL_TABLE, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, false);
    nft_add_chain(batch, FIREWALL_TABLE, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, false);
    for (size_t i = 0; i < FIREWALL_DNS_MAX; i++) {
        if (firewall->dns[i].family != AF_INET || firewall->dns_local[i].family != AF_INET)
            continue;
        add_dns(firewall, batch, i, IPPROTO_UDP);
        add_dns(firewall, batch, i, IPPROTO_TCP);
    }
    begin(&rule, batch, "postrouting");
    match_link(&rule, NFT_META_OIFNAME, false, firewall->bridge);
    match_ipv4(&rule, IPV4_SOURCE, true, &firewall->nat);
    nft_masquerade(&rule);
    nft_rule_end(&rule);
}

void firewall_encode(const struct firewall *firewall, struct nft_batch *ret_batch)
{
    nft_begin(ret_batch);
    nft_add_table(ret_batch, FIREWALL_TABLE); /* so that there is one to delete */
    nft_delete_table(ret_batch, FIREWALL_TABLE);
    nft_add_table(ret_batch, FIREWALL_TABLE);
    add_input(firewall, ret_batch);
    nft_add_chain(ret_batch, FIREWALL_TABLE, "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, true);
    add_state_rules(ret_batch, "forward");
    if (firewall->nat.family && firewall->bridge[0] && firewall->uplink[0])
        add_forward_from_bridge(firewall, ret_batch);
    if (firewall->nat.family && firewall->bridge[0])
        add_nat(firewall, ret_batch);
    nft_end(ret_batch);
}

bool firewall_equal(const struct firewall *a, const struct firewall *b)
{
    struct nft_batch one, two;
    firewall_encode(a, &one);
    firewall_encode(b, &two);
    bool equal = !one.failed && !two.failed && one.size == two.size && memcmp(one.bytes, two.bytes, one.size) == 0;
    nft_close(&one);
    nft_close(&two);
    return equal;
}

int firewall_apply(int nft_fd, const struct firewall *firewall)
{
    struct nft_batch batch;
    firewall_encode(firewall, &batch);
    int result = batch.failed ? -ENOMEM : netlink_send_batch(nft_fd, batch.bytes, batch.size, batch.last);
    nft_close(&batch);
    return result < 0 ? log_fail(result, "put the firewall in force") : 0;
}
