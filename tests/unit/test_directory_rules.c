/* The rules at submission as a table: a payload, what is known, and the status that comes of it. */

#include "contrib/directory/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000
#define HASH "0000000000000000000000000000000000000000000000000000000000000000"
#define LITTLE "{\"cru_milli\":100,\"mru_bytes\":1000,\"sru_bytes\":5000,\"hru_bytes\":0}"
#define NODE "{\"farm\":1}"
#define INVITE "{\"farm\":1,\"expires\":1000001,\"nodes_max\":2}"
#define CONTRACT "{\"node\":\"n\",\"expires\":1000001,\"reserves\":" LITTLE ",\"private\":{}}"
#define OPEN(bytes)                                                                                                    \
    "{\"node\":\"n\",\"expires\":1000001,\"reserves\":" LITTLE                                                         \
    ",\"workloads\":[{\"name\":\"v\",\"type\":\"volume\",\"data\":{\"media\":\"ssd\",\"size_bytes\":" #bytes "}}]}"
#define CANCEL "{\"contract\":\"" HASH "\"}"
#define RESULT(state) "{\"contract\":\"" HASH "\",\"state\":\"" state "\"}"

/* The signer of every row is "us"; invites are signed by "farmer". */
struct row {
    const char *what;
    int status;
    enum statement_kind kind;
    const char *payload;
    struct rules_view view;
    const char *invite;
    int64_t created; /* 0: now */
};

#define ENOUGH                                                                                                         \
    {                                                                                                                  \
        100, 1000, 5000, 0                                                                                             \
    }
#define FARM .farm_known = true, .farm_bot = "farmer"
#define LIVE .contract_known = true, .contract_bot = "us", .contract_node = "us"

static const struct row TABLE[] = {
    { "a new bot", 0, STATEMENT_BOT, "{\"name\":\"a\"}", { 0 }, NULL, 0 },
    { "a bot again", 0, STATEMENT_BOT, "{\"name\":\"a\"}", { .signer_known = true, .registered = NOW }, NULL, 0 },
    { "an older bot",
      409,
      STATEMENT_BOT,
      "{\"name\":\"a\"}",
      { .signer_known = true, .registered = NOW + 1 },
      NULL,
      0 },
    { "after one of a time that hasn't come",
      0,
      STATEMENT_BOT,
      "{\"name\":\"a\"}",
      { .signer_known = true, .registered = NOW + RULES_SKEW_S + 1 },
      NULL,
      0 },
    { "a taken name", 409, STATEMENT_BOT, "{\"name\":\"a\"}", { .name_taken = true }, NULL, 0 },
    { "too old", 422, STATEMENT_BOT, "{\"name\":\"a\"}", { 0 }, NULL, NOW - RULES_SKEW_S - 1 },
    { "just not too old", 0, STATEMENT_BOT, "{\"name\":\"a\"}", { 0 }, NULL, NOW - RULES_SKEW_S },
    { "just not too new", 0, STATEMENT_BOT, "{\"name\":\"a\"}", { 0 }, NULL, NOW + RULES_SKEW_S },
    { "too new", 422, STATEMENT_BOT, "{\"name\":\"a\"}", { 0 }, NULL, NOW + RULES_SKEW_S + 1 },

    { "a farm", 0, STATEMENT_FARM, "{\"name\":\"f\"}", { .signer_known = true }, NULL, 0 },
    { "nobody's farm", 404, STATEMENT_FARM, "{\"name\":\"f\"}", { 0 }, NULL, 0 },
    { "a farm's taken name",
      409,
      STATEMENT_FARM,
      "{\"name\":\"f\"}",
      { .signer_known = true, .name_taken = true },
      NULL,
      0 },

    { "a node", 0, STATEMENT_NODE, NODE, { FARM }, INVITE, 0 },
    { "an unknown farm", 404, STATEMENT_NODE, NODE, { 0 }, INVITE, 0 },
    { "another's farm", 403, STATEMENT_NODE, NODE, { .farm_known = true, .farm_bot = "else" }, INVITE, 0 },
    { "an invite to another farm",
      403,
      STATEMENT_NODE,
      NODE,
      { FARM },
      "{\"farm\":2,\"expires\":1000001,\"nodes_max\":2}",
      0 },
    { "an expired invite", 422, STATEMENT_NODE, NODE, { FARM }, "{\"farm\":1,\"expires\":1000000,\"nodes_max\":2}", 0 },
    { "the same, but a member",
      0,
      STATEMENT_NODE,
      NODE,
      { FARM, .farm_is_ours = true, .signer_known = true },
      "{\"farm\":1,\"expires\":1000000,\"nodes_max\":2}",
      0 },
    { "the last place", 0, STATEMENT_NODE, NODE, { FARM, .invite_uses = 1 }, INVITE, 0 },
    { "a used up invite", 422, STATEMENT_NODE, NODE, { FARM, .invite_uses = 2 }, INVITE, 0 },
    { "used up, by us too", 0, STATEMENT_NODE, NODE, { FARM, .invite_uses = 2, .invite_used_by_us = true }, INVITE, 0 },
    { "an older node", 409, STATEMENT_NODE, NODE, { FARM, .signer_known = true, .registered = NOW + 1 }, INVITE, 0 },

    { "a contract",
      0,
      STATEMENT_CONTRACT,
      CONTRACT,
      { .signer_known = true, .node_known = true, .node_resources = ENOUGH },
      NULL,
      0 },
    { "nobody's contract",
      404,
      STATEMENT_CONTRACT,
      CONTRACT,
      { .node_known = true, .node_resources = ENOUGH },
      NULL,
      0 },
    { "an unknown node", 404, STATEMENT_CONTRACT, CONTRACT, { .signer_known = true }, NULL, 0 },
    { "an expired contract",
      422,
      STATEMENT_CONTRACT,
      "{\"node\":\"n\",\"expires\":1000000,\"reserves\":" LITTLE ",\"private\":{}}",
      { .signer_known = true, .node_known = true, .node_resources = ENOUGH },
      NULL,
      0 },
    { "one byte too little",
      422,
      STATEMENT_CONTRACT,
      CONTRACT,
      { .signer_known = true, .node_known = true, .node_resources = { 100, 999, 5000, 0 } },
      NULL,
      0 },
    { "one byte reserved",
      422,
      STATEMENT_CONTRACT,
      CONTRACT,
      { .signer_known = true, .node_known = true, .node_resources = ENOUGH, .node_reserved = { 0, 1, 0, 0 } },
      NULL,
      0 },
    { "what others reserved leaves enough",
      0,
      STATEMENT_CONTRACT,
      CONTRACT,
      { .signer_known = true, .node_known = true, .node_resources = { 200, 2000, 10000, 0 }, .node_reserved = ENOUGH },
      NULL,
      0 },
    { "workloads that are covered",
      0,
      STATEMENT_CONTRACT,
      OPEN(5000),
      { .signer_known = true, .node_known = true, .node_resources = ENOUGH },
      NULL,
      0 },
    { "workloads that aren't",
      422,
      STATEMENT_CONTRACT,
      OPEN(5001),
      { .signer_known = true, .node_known = true, .node_resources = ENOUGH },
      NULL,
      0 },

    { "a cancel", 0, STATEMENT_CANCEL, CANCEL, { LIVE }, NULL, 0 },
    { "of nothing", 404, STATEMENT_CANCEL, CANCEL, { 0 }, NULL, 0 },
    { "of another's",
      403,
      STATEMENT_CANCEL,
      CANCEL,
      { .contract_known = true, .contract_bot = "else", .contract_node = "us" },
      NULL,
      0 },
    { "a second time", 409, STATEMENT_CANCEL, CANCEL, { LIVE, .contract_cancelled = true }, NULL, 0 },
    { "of what has stopped", 409, STATEMENT_CANCEL, CANCEL, { LIVE, .contract_stopped = true }, NULL, 0 },

    { "a result", 0, STATEMENT_RESULT, RESULT("running"), { LIVE }, NULL, 0 },
    { "for nothing", 404, STATEMENT_RESULT, RESULT("running"), { 0 }, NULL, 0 },
    { "by another node",
      403,
      STATEMENT_RESULT,
      RESULT("running"),
      { .contract_known = true, .contract_node = "else" },
      NULL,
      0 },
    { "after a cancel", 0, STATEMENT_RESULT, RESULT("running"), { LIVE, .contract_cancelled = true }, NULL, 0 },
    { "running after stopped", 409, STATEMENT_RESULT, RESULT("running"), { LIVE, .contract_stopped = true }, NULL, 0 },
    { "stopped after stopped", 0, STATEMENT_RESULT, RESULT("stopped"), { LIVE, .contract_stopped = true }, NULL, 0 },

    { "an invite by itself", 422, STATEMENT_INVITE, INVITE, { 0 }, NULL, 0 },
    { "a heartbeat", 422, STATEMENT_HEARTBEAT, "{}", { 0 }, NULL, 0 },
    { "a time", 422, STATEMENT_TIME, "{}", { 0 }, NULL, 0 },
};

static cJSON *parse(const char *text)
{
    struct reason reason;
    cJSON *value = NULL;

    assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &value, &reason), 0);
    return value;
}

static void judges_each_row_of_the_table(void **state)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        const struct row *row = &TABLE[i];
        struct statement statement = { .kind = row->kind,
                                       .signer_id = "us",
                                       .created = row->created ? row->created : NOW };
        struct statement invite = { .kind = STATEMENT_INVITE, .signer_id = "farmer" };
        struct rules_input input = { &statement, row->invite ? &invite : NULL, NOW };
        struct reason reason = { "" };
        statement.payload = parse(row->payload);
        invite.payload = row->invite ? parse(row->invite) : NULL;
        int status = rules_judge(&input, &row->view, &reason);
        if (status != row->status)
            fail_msg("%s: %d, not %d (%s)", row->what, status, row->status, reason.text);
        assert_int_equal(status != 0, reason.text[0] != '\0');
        statement_close(&statement);
        statement_close(&invite);
    }
}

static void sums_that_would_overflow_are_refused(void **state)
{
    const struct rules_view view = {
        .signer_known = true,
        .node_known = true,
        .node_resources = { 100, 1000, 5000, 0 },
        .node_reserved = { JSON_INTEGER_MAX, JSON_INTEGER_MAX, JSON_INTEGER_MAX, JSON_INTEGER_MAX },
    };
    struct statement statement = {
        .kind = STATEMENT_CONTRACT, .signer_id = "us", .created = NOW, .payload = parse(CONTRACT)
    };
    struct rules_input input = { &statement, NULL, NOW };
    struct reason reason;

    assert_int_equal(rules_judge(&input, &view, &reason), 422);
    statement_close(&statement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_each_row_of_the_table),
        cmocka_unit_test(sums_that_would_overflow_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
