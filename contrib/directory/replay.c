/* One entry at a time; see sequencer.c for how it was the first time. */

#include "contrib/directory/replay.h"

#include "contrib/directory/rules.h"
#include "contrib/directory/state.h"
#include "contrib/directory/tlog.h"

#include <errno.h>
#include <string.h>

struct entry {
    struct statement statement, invite; /* a zero `payload`: not there */
    char feed_node[ID_TEXT_BYTES];
};

static int open_entry(const char *envelope, size_t size, struct entry *entry, struct reason *reason)
{
    int result = statement_open(envelope, size, &entry->statement, reason);

    if (result || entry->statement.kind != STATEMENT_NODE)
        return result;
    result = statement_from_json(json_member(entry->statement.payload, "invite"), &entry->invite, reason);
    if (!result && entry->invite.kind != STATEMENT_INVITE)
        result = reason_refuse(reason, NULL, "isn't an invite");
    return result > 0 ? reason_prefix(reason, "invite") : result;
}

static int judge(struct store *store, struct entry *entry, struct reason *reason)
{
    const struct statement *statement = &entry->statement;
    struct rules_input input = { statement, entry->invite.payload ? &entry->invite : NULL, 0 };
    struct rules_view view;
    struct state_place place;

    if (state_find(store, statement->id, &place))
        return reason_refuse(reason, NULL, "the same statement is entry %llu already", (unsigned long long)place.index);
    input.now_s = statement->created + RULES_SKEW_S;
    state_look(store, &input, &view);
    input.now_s = statement->created - RULES_SKEW_S;
    if (rules_judge(&input, &view, reason))
        return REFUSED;
    const char *node = statement->kind == STATEMENT_CONTRACT ? json_string(statement->payload, "node")
                       : statement->kind == STATEMENT_CANCEL ? view.contract_node
                                                             : "";
    snprintf(entry->feed_node, sizeof entry->feed_node, "%s", node);
    return 0;
}

static void append(struct store *store, uint64_t index, const char *envelope, size_t size, const struct entry *entry)
{
    const struct statement *statement = &entry->statement;
    struct tlog_entry row = {
        .id = statement->id,
        .kind = statement_kind_name(statement->kind),
        .signer = statement->signer_id,
        .feed_node = entry->feed_node[0] ? entry->feed_node : NULL,
        .envelope = envelope,
        .envelope_size = size,
    };

    merkle_leaf(envelope, size, &row.leaf);
    tlog_append(store, index, &row);
    state_apply(store, index, statement, entry->invite.payload ? &entry->invite : NULL);
}

int replay_entry(struct store *store, uint64_t index, const char *envelope, size_t size, struct reason *reason)
{
    struct entry entry = { 0 };
    char place[48];
    int result = open_entry(envelope, size, &entry, reason);

    if (!result)
        result = judge(store, &entry, reason);
    if (!result && store->error >= 0)
        append(store, index, envelope, size, &entry);
    statement_close(&entry.statement);
    statement_close(&entry.invite);
    if (store->error < 0)
        return store->error;
    snprintf(place, sizeof place, "entry %llu", (unsigned long long)index);
    return result > 0 ? reason_prefix(reason, place) : result;
}
