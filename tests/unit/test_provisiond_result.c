/* What a result tells, and to whom; and the output that goes into it. */

#include "lib/cleanup.h"
#include "provisiond/call.h"
#include "provisiond/result.h"
#include "provisiond/watch.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct key *bot, *node;
static uint8_t sealing_public[32], sealing_secret[32];

static const char REPORTS[] =
    "[{\"name\":\"data\",\"state\":\"running\",\"message\":\"\"},"
    "{\"name\":\"web\",\"state\":\"failed\",\"message\":\"why\",\"output\":\"it said this\"}]";

static struct wanted *wanted_of(bool private)
{
    struct wanted *wanted = calloc(1, sizeof *wanted);

    memset(wanted->id, 'a', 64);
    strcpy(wanted->bot, key_id(bot));
    memcpy(wanted->bot_key, key_public(bot), sizeof wanted->bot_key);
    wanted->private = private;
    wanted->workloads =
        cJSON_Parse("[{\"name\":\"data\",\"type\":\"volume\"},{\"name\":\"web\",\"type\":\"container\"}]");
    return wanted;
}

/* The payload for such a contract, held against the rules by signing it. */
static cJSON *payload_of(const struct wanted *wanted, const char *reports, const char *message)
{
    cleanup_json cJSON *list = reports ? cJSON_Parse(reports) : NULL;
    cJSON *payload = result_payload(wanted, key_id(node), sealing_public, WANTED_FAILED, list, message);
    struct reason reason = { 0 };
    char *envelope;

    assert_non_null(payload);
    if (statement_sign(STATEMENT_RESULT, payload, 1750000000, node, &envelope, NULL, &reason) != 0)
        fail_msg("%s", reason.text);
    free(envelope);
    return payload;
}

static void an_open_result_tells_all_but_the_output(void **state)
{
    struct wanted *wanted = wanted_of(false);
    cleanup_json cJSON *payload = payload_of(wanted, REPORTS, "");
    const cJSON *web = cJSON_GetArrayItem(json_member(payload, "workloads"), 1);
    cleanup_free char *text = json_print(payload);
    cleanup_free uint8_t *box = NULL;
    uint8_t public[32], secret[32], opened[64] = { 0 };
    size_t size;

    assert_string_equal(json_string(payload, "state"), "failed");
    assert_string_equal(json_string(web, "state"), "failed");
    assert_string_equal(json_string(web, "message"), "why");
    assert_null(strstr(text, "it said this"));
    box = decode_base64(json_string(json_member(web, "data"), "sealed_output"), &size);
    key_as_x25519(bot, public, secret);
    assert_int_equal(crypto_box_seal_open(opened, box, size, public, secret), 0);
    assert_string_equal((char *)opened, "it said this");
    wanted_free(wanted);
}

static void a_private_result_is_read_by_its_bot_alone(void **state)
{
    struct wanted *wanted = wanted_of(true);
    cleanup_json cJSON *payload = payload_of(wanted, REPORTS, "not for all"), *workloads = NULL;
    cleanup_free char *text = json_print(payload);
    uint8_t public[32], secret[32], id[32];

    assert_null(json_member(payload, "workloads"));
    assert_null(json_member(payload, "message"));
    assert_null(strstr(text, "why"));
    key_as_x25519(bot, public, secret);
    assert_true(decode_hex(wanted->id, id, sizeof id));
    assert_int_equal(
        contract_unseal(json_member(payload, "private"), key_id(bot), public, secret, id, sizeof id, &workloads, NULL),
        0);
    assert_string_equal(json_string(json_member(cJSON_GetArrayItem(workloads, 1), "data"), "output"), "it said this");
    wanted_free(wanted);
}

static void a_refusal_says_why_in_the_open_when_it_tells_nothing_private(void **state)
{
    struct wanted *wanted = wanted_of(true);
    cJSON *payload;

    cJSON_Delete(steal_pointer(wanted->workloads));
    wanted->open_message = true;
    payload = payload_of(wanted, NULL, "contract expired");
    assert_string_equal(json_string(payload, "message"), "contract expired");
    cJSON_Delete(payload);
    wanted->open_message = false;
    payload = payload_of(wanted, NULL, "workloads[0].data.secret: unknown key");
    assert_null(json_member(payload, "message"));
    cJSON_Delete(payload);
    wanted->private = false;
    payload = payload_of(wanted, NULL, "over capacity");
    assert_string_equal(json_string(payload, "message"), "over capacity");
    cJSON_Delete(payload);
    wanted_free(wanted);
}

static void expect_output(const char *lines, size_t max, const char *wanted)
{
    cleanup_json cJSON *list = cJSON_Parse(lines);
    cleanup_free char *output = watch_output(list, max);

    assert_string_equal(output, wanted);
}

static void output_is_the_end_of_the_log_as_valid_text(void **state)
{
    cJSON *list = cJSON_CreateArray();
    char *output;

    expect_output("[]", 10, "");
    expect_output("[\"one\",\"two\\n\",3]", 100, "one\ntwo\n");
    expect_output("[\"one\",\"two\"]", 5, "\ntwo\n");
    expect_output("[\"a\xc3\xa9z\"]", 4, "\xc3\xa9z\n");
    expect_output("[\"a\xc3\xa9z\"]", 3, "z\n"); /* no half character */
    expect_output("[\"\\u001b[31mred\\u0007\\ttab\"]", 100, "?[31mred?\ttab\n");
    cJSON_AddItemToArray(list, cJSON_CreateString("bad \xff\xc3(\xed\xa0\x80 end"));
    output = watch_output(list, 100);
    assert_string_equal(output, "bad ?"
                                "?("
                                "?"
                                "?"
                                "? end\n");
    free(output);
    cJSON_Delete(list);
}

static int set_up(void **state)
{
    if (sodium_init() < 0 || key_generate(&bot) || key_generate(&node))
        return -1;
    key_derive_x25519(node, "zos-seal", sealing_public, sealing_secret);
    return 0;
}

static int tear_down(void **state)
{
    key_free(bot);
    key_free(node);
    return 0;
}

/* A daemon that was killed is told from one that refuses: the first is no failure of a contract. */
static void a_daemon_that_does_not_answer_is_away(void **state)
{
    struct reason reason = { 0 };
    cJSON *result = NULL;
    int code = 1;

    setenv("ZOS_RUN", "/nonexistent", 1);
    assert_int_equal(call("storaged", "volume.list", NULL, 1000, &result, &code, &reason), CALL_AWAY);
    unsetenv("ZOS_RUN");
    assert_int_equal(code, 0);
    assert_null(result);
    assert_non_null(strstr(reason.text, "storaged: volume.list"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_result_tells_all_but_the_output),
        cmocka_unit_test(a_private_result_is_read_by_its_bot_alone),
        cmocka_unit_test(a_refusal_says_why_in_the_open_when_it_tells_nothing_private),
        cmocka_unit_test(output_is_the_end_of_the_log_as_valid_text),
        cmocka_unit_test(a_daemon_that_does_not_answer_is_away),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
