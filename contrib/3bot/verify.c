/* The proof of a statement, check by check: the same table of steps that every other command rests on. */

#include "contrib/3bot/commands.h"
#include "contrib/3bot/evidence.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/session.h"
#include "contrib/3bot/units.h"

#include "lib/cleanup.h"

#include <string.h>

/* Who may say such a thing: a result its contract's node, a cancel its contract's bot. Needs the contract, and proves
 * it too. */
static int check_author(struct client *client, struct evidence *evidence, struct reason *found)
{
    const struct statement *statement = &evidence->statement;
    const char *contract = json_string(statement->payload, "contract"), *author;
    struct evidence of;
    int result = evidence_statement(client, contract, STATEMENT_CONTRACT, &of, found);

    if (result)
        return result;
    author = statement->kind == STATEMENT_RESULT ? json_string(of.statement.payload, "node") : of.statement.signer_id;
    if (strcmp(author, statement->signer_id) == 0)
        reason_refuse(found, NULL, "its signer is the %s of contract %.16s…, which is proven too",
                      statement->kind == STATEMENT_RESULT ? "node" : "bot", contract);
    else
        result = reason_refuse(found, NULL, "its signer isn't the %s of contract %.16s…, which is %s",
                               statement->kind == STATEMENT_RESULT ? "node" : "bot", contract, author);
    evidence_close(&of);
    return result;
}

static int do_step(const char *name, int (*check)(struct client *, struct evidence *, struct reason *),
                   struct client *client, struct evidence *evidence, cJSON *checks)
{
    struct reason found = { 0 };
    int result = check(client, evidence, &found);
    cJSON *value = cJSON_CreateObject();

    out_line("%-11s %s  %s", name, result ? "WRONG" : "ok   ", found.text);
    cJSON_AddStringToObject(value, "name", name);
    cJSON_AddBoolToObject(value, "ok", result == 0);
    cJSON_AddStringToObject(value, "found", found.text);
    cJSON_AddItemToArray(checks, value);
    return result;
}

/* Steps rest on those before them: the first that fails ends it. */
static int do_steps(struct client *client, struct evidence *evidence, cJSON *checks)
{
    int result = 0;

    for (const struct evidence_step *step = EVIDENCE_STEPS; step->name && !result; step++)
        result = do_step(step->name, step->check, client, evidence, checks);
    if (!result && (evidence->statement.kind == STATEMENT_RESULT || evidence->statement.kind == STATEMENT_CANCEL))
        result = do_step("author", check_author, client, evidence, checks);
    return result;
}

static void tell_statement(const struct evidence *evidence, cJSON *value)
{
    const struct statement *statement = &evidence->statement;
    cleanup_free char *payload = cJSON_Print(statement->payload);
    char created[UNITS_TEXT_BYTES];

    out_line("%s of %s", statement_kind_name(statement->kind), units_format_time(statement->created, created));
    if (payload)
        out_text(payload, "  ");
    cJSON_AddStringToObject(value, "kind", statement_kind_name(statement->kind));
    cJSON_AddStringToObject(value, "signer", statement->signer_id);
    json_add_integer(value, "index", (int64_t)evidence->index);
    json_add_integer(value, "log_size", (int64_t)evidence->checkpoint.size);
    cJSON_AddItemToObject(value, "payload", cJSON_Duplicate(statement->payload, true));
}

static int verify(struct session *session, const char *id)
{
    cJSON *value, *checks;
    struct evidence evidence;
    struct reason reason = { 0 };
    int result = evidence_fetch(&session->client, id, &evidence, &reason);

    if (result == CLIENT_NOT_FOUND)
        return out_fail(OUT_FAILED, "the directory has no statement %s", id);
    if (result)
        return session_fail(result, &reason);
    value = cJSON_CreateObject();
    cJSON_AddStringToObject(value, "id", id);
    checks = cJSON_AddArrayToObject(value, "checks");
    result = do_steps(&session->client, &evidence, checks);
    cJSON_AddBoolToObject(value, "ok", result == 0);
    if (!result)
        tell_statement(&evidence, value);
    else
        out_line("NOT PROVEN: don't rely on this statement");
    out_json(value);
    evidence_close(&evidence);
    return result ? OUT_FAILED : 0;
}

int verify_run(struct call *call)
{
    struct session session;
    int result = session_open_reader(&session, call);

    if (result)
        return result;
    result = verify(&session, call->arguments[0]);
    session_close(&session);
    return result;
}
