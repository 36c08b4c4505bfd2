/* nf_tables' netlink messages: a header nfgenmsg, then nested attributes with numbers in network order. A batch is a
 * row of messages between NFNL_MSG_BATCH_BEGIN and _END (linux/netfilter/nfnetlink.h). An expression is a name and its
 * own attributes (NFTA_EXPR_NAME, NFTA_EXPR_DATA); they hand values on in registers, of which one is enough here. */

#include "netd/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 4096

static struct nl_msg *message_new(struct nft_batch *batch, int type, int flags, int family, int resource)
{
    struct nfgenmsg header = { .nfgen_family = (uint8_t)family,
                               .version = NFNETLINK_V0,
                               .res_id = htons((uint16_t)resource) };
    struct nl_msg *message = nlmsg_alloc_size(MESSAGE_BYTES);
    if (message && (!nlmsg_put(message, 0, ++batch->sequence, type, 0, NLM_F_REQUEST | flags) ||
                    nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) < 0)) {
        nlmsg_free(message);
        message = NULL;
    }
    batch->failed |= !message;
    return message;
}

static struct nl_msg *table_message(struct nft_batch *batch, int type, int flags)
{
    return message_new(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
}

/* Moves a finished message to the end of the batch. */
static void batch_append(struct nft_batch *batch, struct nl_msg *message)
{
    if (!message)
        return;
    const struct nlmsghdr *header = nlmsg_hdr(message);
    size_t size = NLMSG_ALIGN(header->nlmsg_len);
    if (batch->size + size > batch->room) {
        size_t room = (batch->size + size) * 2;
        uint8_t *bytes = realloc(batch->bytes, room);
        batch->failed |= !bytes;
        if (bytes) {
            batch->bytes = bytes;
            batch->room = room;
        }
    }
    if (!batch->failed) {
        memset(batch->bytes + batch->size, 0, size);
        memcpy(batch->bytes + batch->size, header, header->nlmsg_len);
        batch->size += size;
    }
    nlmsg_free(message);
}

void nft_begin(struct nft_batch *batch)
{
    *batch = (struct nft_batch){ 0 };
    batch_append(batch, message_new(batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

void nft_end(struct nft_batch *batch)
{
    batch_append(batch, message_new(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

void nft_close(struct nft_batch *batch)
{
    if (batch)
        free(batch->bytes);
    if (batch)
        *batch = (struct nft_batch){ 0 };
}

static void put_number(struct nl_msg *message, int type, uint32_t value)
{
    nla_put_u32(message, type, htonl(value));
}

static void put_value(struct nl_msg *message, int type, const void *value, size_t size)
{
    struct nlattr *nest = nla_nest_start(message, type | NLA_F_NESTED);
    nla_put(message, NFTA_DATA_VALUE, (int)size, value);
    nla_nest_end(message, nest);
}

static void table_do(struct nft_batch *batch, int type, int flags, const char *table)
{
    struct nl_msg *message = table_message(batch, type, flags);
    if (message)
        nla_put_string(message, NFTA_TABLE_NAME, table);
    batch_append(batch, message);
}

void nft_add_table(struct nft_batch *batch, const char *table)
{
    table_do(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table);
}

void nft_delete_table(struct nft_batch *batch, const char *table)
{
    table_do(batch, NFT_MSG_DELTABLE, 0, table);
}

void nft_add_chain(struct nft_batch *batch, const char *table, const char *chain, const char *type, uint32_t hook,
                   int32_t priority, bool drop)
{
    struct nl_msg *message = table_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    if (!message)
        return;
    nla_put_string(message, NFTA_CHAIN_TABLE, table);
    nla_put_string(message, NFTA_CHAIN_NAME, chain);
    struct nlattr *nest = nla_nest_start(message, NFTA_CHAIN_HOOK | NLA_F_NESTED);
    put_number(message, NFTA_HOOK_HOOKNUM, hook);
    put_number(message, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    nla_nest_end(message, nest);
    put_number(message, NFTA_CHAIN_POLICY, drop ? NF_DROP : NF_ACCEPT);
    nla_put_string(message, NFTA_CHAIN_TYPE, type);
    batch_append(batch, message);
}

void nft_rule_begin(struct nft_rule *rule, struct nft_batch *batch, const char *table, const char *chain)
{
    *rule = (struct nft_rule){ .batch = batch };
    rule->message = table_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
    if (!rule->message)
        return;
    batch->last = batch->sequence;
    nla_put_string(rule->message, NFTA_RULE_TABLE, table);
    nla_put_string(rule->message, NFTA_RULE_CHAIN, chain);
    rule->expressions = nla_nest_start(rule->message, NFTA_RULE_EXPRESSIONS | NLA_F_NESTED);
}

void nft_rule_end(struct nft_rule *rule)
{
    if (rule->message)
        nla_nest_end(rule->message, rule->expressions);
    batch_append(rule->batch, rule->message);
    *rule = (struct nft_rule){ 0 };
}

/* An expression's two nests, open while its attributes are put. */
struct expression {
    struct nlattr *element, *data;
};

static bool expression_begin(struct nft_rule *rule, const char *name, struct expression *expression)
{
    if (!rule->message)
        return false;
    expression->element = nla_nest_start(rule->message, NFTA_LIST_ELEM | NLA_F_NESTED);
    nla_put_string(rule->message, NFTA_EXPR_NAME, name);
    expression->data = nla_nest_start(rule->message, NFTA_EXPR_DATA | NLA_F_NESTED);
    return true;
}

/* nla_nest_end would take back an empty nest, but masq's data may be empty and has to be there. */
static void expression_end(struct nft_rule *rule, struct expression *expression)
{
    nla_nest_end_keep_empty(rule->message, expression->data);
    nla_nest_end(rule->message, expression->element);
}

void nft_load_meta(struct nft_rule *rule, uint32_t key)
{
    struct expression expression;
    if (!expression_begin(rule, "meta", &expression))
        return;
    put_number(rule->message, NFTA_META_KEY, key);
    put_number(rule->message, NFTA_META_DREG, NFT_REG_1);
    expression_end(rule, &expression);
}

void nft_load_ct(struct nft_rule *rule, uint32_t key)
{
    struct expression expression;
    if (!expression_begin(rule, "ct", &expression))
        return;
    put_number(rule->message, NFTA_CT_KEY, key);
    put_number(rule->message, NFTA_CT_DREG, NFT_REG_1);
    expression_end(rule, &expression);
}

void nft_load_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t size)
{
    struct expression expression;
    if (!expression_begin(rule, "payload", &expression))
        return;
    put_number(rule->message, NFTA_PAYLOAD_DREG, NFT_REG_1);
    put_number(rule->message, NFTA_PAYLOAD_BASE, base);
    put_number(rule->message, NFTA_PAYLOAD_OFFSET, offset);
    put_number(rule->message, NFTA_PAYLOAD_LEN, size);
    expression_end(rule, &expression);
}

void nft_mask(struct nft_rule *rule, const void *mask, size_t size)
{
    static const uint8_t ZEROS[16];
    struct expression expression;
    if (!expression_begin(rule, "bitwise", &expression))
        return;
    put_number(rule->message, NFTA_BITWISE_SREG, NFT_REG_1);
    put_number(rule->message, NFTA_BITWISE_DREG, NFT_REG_1);
    put_number(rule->message, NFTA_BITWISE_LEN, (uint32_t)size);
    put_value(rule->message, NFTA_BITWISE_MASK, mask, size);
    put_value(rule->message, NFTA_BITWISE_XOR, ZEROS, size);
    expression_end(rule, &expression);
}

void nft_compare(struct nft_rule *rule, bool equal, const void *value, size_t size)
{
    struct expression expression;
    if (!expression_begin(rule, "cmp", &expression))
        return;
    put_number(rule->message, NFTA_CMP_SREG, NFT_REG_1);
    put_number(rule->message, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    put_value(rule->message, NFTA_CMP_DATA, value, size);
    expression_end(rule, &expression);
}

void nft_verdict(struct nft_rule *rule, int32_t verdict)
{
    struct expression expression;
    if (!expression_begin(rule, "immediate", &expression))
        return;
    put_number(rule->message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    struct nlattr *data = nla_nest_start(rule->message, NFTA_IMMEDIATE_DATA | NLA_F_NESTED);
    struct nlattr *nest = nla_nest_start(rule->message, NFTA_DATA_VERDICT | NLA_F_NESTED);
    put_number(rule->message, NFTA_VERDICT_CODE, (uint32_t)verdict);
    nla_nest_end(rule->message, nest);
    nla_nest_end(rule->message, data);
    expression_end(rule, &expression);
}

void nft_masquerade(struct nft_rule *rule)
{
    struct expression expression;
    if (expression_begin(rule, "masq", &expression))
        expression_end(rule, &expression);
}

void nft_dnat_ipv4(struct nft_rule *rule, const uint8_t address[static 4])
{
    struct expression expression;
    if (!expression_begin(rule, "immediate", &expression))
        return;
    put_number(rule->message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    put_value(rule->message, NFTA_IMMEDIATE_DATA, address, 4);
    expression_end(rule, &expression);
    expression_begin(rule, "nat", &expression);
    put_number(rule->message, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    put_number(rule->message, NFTA_NAT_FAMILY, NFPROTO_IPV4);
    put_number(rule->message, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
    expression_end(rule, &expression);
}
