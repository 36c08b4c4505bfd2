#pragma once

/* Encodes nf_tables messages (linux/netfilter/nf_tables.h) into one batch, which the kernel takes as a whole or not at
 * all. Only what firewall.c needs. Nothing here touches the kernel: a batch is bytes. */

#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft_batch {
    uint8_t *bytes;
    size_t size, room;
    uint32_t sequence; /* of the last message */
    uint32_t last;     /* of the one that asks for an acknowledgement */
    bool failed;       /* memory was out: the batch isn't to be sent */
};

/* A rule under construction. */
struct nft_rule {
    struct nft_batch *batch;
    struct nl_msg *message;
    struct nlattr *expressions;
};

/* Everything between begin and end happens at once. nft_close accepts a zeroed batch. */
void nft_begin(struct nft_batch *batch);
void nft_end(struct nft_batch *batch);
void nft_close(struct nft_batch *batch);

/* A table of family inet: added (fine when it is there), or deleted with all that is in it (it must be there). */
void nft_add_table(struct nft_batch *batch, const char *table);
void nft_delete_table(struct nft_batch *batch, const char *table);
/* A base chain; `type` "filter" or "nat"; hook NF_INET_…; `drop`: what no rule decides is dropped, else accepted. */
void nft_add_chain(struct nft_batch *batch, const char *table, const char *chain, const char *type, uint32_t hook,
                   int32_t priority, bool drop);

/* A rule at the end of a chain: expressions between begin and end, of which each has to match for the next to be tried.
 * All use one register. */
void nft_rule_begin(struct nft_rule *rule, struct nft_batch *batch, const char *table, const char *chain);
void nft_rule_end(struct nft_rule *rule);
void nft_load_meta(struct nft_rule *rule, uint32_t key);                                     /* NFT_META_… */
void nft_load_ct(struct nft_rule *rule, uint32_t key);                                       /* NFT_CT_… */
void nft_load_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t size); /* NFT_PAYLOAD_… */
void nft_mask(struct nft_rule *rule, const void *mask, size_t size);                         /* register &= mask */
void nft_compare(struct nft_rule *rule, bool equal, const void *value, size_t size);
void nft_verdict(struct nft_rule *rule, int32_t verdict); /* NF_ACCEPT, NF_DROP */
void nft_masquerade(struct nft_rule *rule);
void nft_dnat_ipv4(struct nft_rule *rule, const uint8_t address[static 4]);
