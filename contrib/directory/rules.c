/* The rules at submission, one function a kind. Each begins with what is unknown (404), then who may not (403), then
 * what conflicts (409), then what breaks a rule (422). */

#include "contrib/directory/rules.h"

#include "lib/contract.h"

#include <inttypes.h>
#include <string.h>

enum { FORBIDDEN = 403, UNKNOWN = 404, CONFLICT = 409, UNPROCESSABLE = 422 };

#define refuse(status, ...) (reason_refuse(reason, __VA_ARGS__), (status))

int rules_judge_time(int64_t created, int64_t now_s, struct reason *reason)
{
    if (created < now_s - RULES_SKEW_S || created > now_s + RULES_SKEW_S)
        return refuse(UNPROCESSABLE, "created", "must be within %d s of the directory's time, which is %" PRId64,
                      RULES_SKEW_S, now_s);
    return 0;
}

/* A principal's newer statement replaces the older, never the other way round. One that is further in the future than
 * any may be was taken in while the directory's clock was ahead: it locks nobody out. */
static int judge_newer(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    const struct statement *statement = input->statement;

    if (view->signer_known && statement->created < view->registered && view->registered <= input->now_s + RULES_SKEW_S)
        return refuse(CONFLICT, "created", "a newer statement of %s is in the log", statement->signer_id);
    return 0;
}

static int judge_bot(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    if (view->name_taken)
        return refuse(CONFLICT, "name", "%s is taken", json_string(input->statement->payload, "name"));
    return judge_newer(input, view, reason);
}

static int judge_farm(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    if (!view->signer_known)
        return refuse(UNKNOWN, NULL, "bot %s isn't registered", input->statement->signer_id);
    if (view->name_taken)
        return refuse(CONFLICT, "name", "%s is taken", json_string(input->statement->payload, "name"));
    return 0;
}

static int judge_invite(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    const struct statement *invite = input->invite;
    int64_t farm = json_integer(input->statement->payload, "farm");
    int64_t nodes_max = json_integer(invite->payload, "nodes_max");

    if (strcmp(invite->signer_id, view->farm_bot) != 0)
        return refuse(FORBIDDEN, "invite", "isn't signed by the bot that owns farm %" PRId64, farm);
    if (json_integer(invite->payload, "farm") != farm)
        return refuse(FORBIDDEN, "invite", "is for farm %" PRId64 ", not %" PRId64,
                      json_integer(invite->payload, "farm"), farm);
    if (json_integer(invite->payload, "expires") <= input->now_s && !view->farm_is_ours)
        return refuse(UNPROCESSABLE, "invite", "has expired; ask the farmer for a new one");
    if (!view->invite_used_by_us && view->invite_uses >= nodes_max)
        return refuse(UNPROCESSABLE, "invite", "is used up by %" PRId64 " nodes; ask the farmer for a new one",
                      nodes_max);
    return 0;
}

static int judge_node(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    if (!view->farm_known)
        return refuse(UNKNOWN, "farm", "there is no farm %" PRId64, json_integer(input->statement->payload, "farm"));
    int status = judge_invite(input, view, reason);
    return status ? status : judge_newer(input, view, reason);
}

static int judge_contract(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    const cJSON *payload = input->statement->payload;
    const cJSON *workloads = json_member(payload, "workloads");
    struct resources reserves = resources_from_json(json_member(payload, "reserves"));

    if (!view->signer_known)
        return refuse(UNKNOWN, NULL, "bot %s isn't registered", input->statement->signer_id);
    if (!view->node_known)
        return refuse(UNKNOWN, "node", "%s isn't registered", json_string(payload, "node"));
    if (json_integer(payload, "expires") <= input->now_s)
        return refuse(UNPROCESSABLE, "expires", "is in the past");
    if (workloads && !resources_fit(contract_needs(workloads), reserves, reason)) {
        reason_prefix(reason, "reserves: don't cover the workloads");
        return UNPROCESSABLE;
    }
    if (!resources_fit(resources_add(view->node_reserved, reserves), view->node_resources, reason)) {
        reason_prefix(reason, "reserves: more than the node has left");
        return UNPROCESSABLE;
    }
    return 0;
}

static int judge_cancel(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    const char *contract = json_string(input->statement->payload, "contract");

    if (!view->contract_known)
        return refuse(UNKNOWN, "contract", "there is no contract %s", contract);
    if (strcmp(input->statement->signer_id, view->contract_bot) != 0)
        return refuse(FORBIDDEN, "contract", "is another bot's");
    if (view->contract_cancelled)
        return refuse(CONFLICT, "contract", "is cancelled already");
    if (view->contract_stopped)
        return refuse(CONFLICT, "contract", "has stopped already");
    return 0;
}

static int judge_result(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    const cJSON *payload = input->statement->payload;

    if (!view->contract_known)
        return refuse(UNKNOWN, "contract", "there is no contract %s", json_string(payload, "contract"));
    if (strcmp(input->statement->signer_id, view->contract_node) != 0)
        return refuse(FORBIDDEN, "contract", "is for another node");
    if (view->contract_stopped && strcmp(json_string(payload, "state"), "stopped") != 0)
        return refuse(CONFLICT, "state", "the contract has stopped already");
    return 0;
}

int rules_judge(const struct rules_input *input, const struct rules_view *view, struct reason *reason)
{
    const struct statement *statement = input->statement;
    int status = rules_judge_time(statement->created, input->now_s, reason);

    if (status)
        return status;
    switch (statement->kind) {
    case STATEMENT_BOT:
        return judge_bot(input, view, reason);
    case STATEMENT_FARM:
        return judge_farm(input, view, reason);
    case STATEMENT_NODE:
        return judge_node(input, view, reason);
    case STATEMENT_CONTRACT:
        return judge_contract(input, view, reason);
    case STATEMENT_CANCEL:
        return judge_cancel(input, view, reason);
    case STATEMENT_RESULT:
        return judge_result(input, view, reason);
    default:
        return refuse(UNPROCESSABLE, "payloadType", "a %s isn't logged", statement_kind_name(statement->kind));
    }
}
