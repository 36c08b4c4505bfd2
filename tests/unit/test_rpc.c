/* JSON-RPC: the protocol as a table of lines and answers, and a call over a real socket. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/daemon.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int notified;

static void echo(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    notified++;
    *ret_result = cJSON_CreateString(json_string(params, "text"));
}

static void refuse(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    rpc_error_set(ret_error, RPC_REFUSED, "Refused", "text: no");
}

static void stop(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    daemon_stop(context);
}

static const struct json_rule ECHO_RULES[] = {
    { .name = "text", .kind = JSON_STRING, .max = 100000 },
    { .name = "times", .kind = JSON_INTEGER, .optional = true },
    { 0 },
};

static const struct rpc_method METHODS[] = {
    { .name = "echo", .rules = ECHO_RULES, .call = echo },
    { .name = "refuse", .call = refuse },
    { .name = "stop", .call = stop },
    { 0 },
};

static void answers_each_line_by_the_specification(void **state)
{
    static const struct {
        const char *line, *answer; /* NULL: nothing is answered; a "…" at the end: only the beginning is compared */
    } table[] = {
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\"}}",
          "{\"jsonrpc\":\"2.0\",\"result\":\"a\",\"id\":1}" },
        { "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\",\"params\":[\"b\",3]}",
          "{\"jsonrpc\":\"2.0\",\"result\":\"b\",\"id\":\"x\"}" },
        { "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[\"c\"]}", NULL },
        { "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}", NULL },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"d\",null]}",
          "{\"jsonrpc\":\"2.0\",\"result\":\"d\",\"id\":1}" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"e\",\"times\":null}}",
          "{\"jsonrpc\":\"2.0\",\"result\":\"e\",\"id\":1}" },
        { "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"echo\",\"params\":[null]}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"refuse\",\"params\":null}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"refuse\"}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"Refused\",\"data\":\"text: no\"},\"id\":2}" },
        { "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"nothing\"}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"echo\"}", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"echo\",\"params\":{\"text\":\"a\",\"other\":1}}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"echo\",\"params\":[\"a\",1,2]}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"refuse\",\"params\":[1]}",
          "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,…" },
        { "{\"jsonrpc\":\"1.0\",\"id\":5,\"method\":\"echo\"}", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,…" },
        { "{\"jsonrpc\":\"2.0\",\"id\":6", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,…" },
        { "7", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,…" },
        { "[]", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,…" },
        { "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"a\"]},{\"jsonrpc\":\"2.0\",\"method\":"
          "\"echo\","
          "\"params\":[\"n\"]},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\",\"params\":[\"b\"]}]",
          "[{\"jsonrpc\":\"2.0\",\"result\":\"a\",\"id\":1},{\"jsonrpc\":\"2.0\",\"result\":\"b\",\"id\":2}]" },
        { "[{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[\"n\"]}]", NULL },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *reply = NULL;
        const char *rest;
        rpc_dispatch(METHODS, NULL, table[i].line, strlen(table[i].line), &reply);
        if (!table[i].answer) {
            assert_null(reply);
            continue;
        }
        assert_non_null(reply);
        rest = strstr(table[i].answer, "…");
        if (rest)
            assert_memory_equal(reply, table[i].answer, (size_t)(rest - table[i].answer));
        else
            assert_string_equal(reply, table[i].answer);
        free(reply);
    }
    assert_int_equal(notified, 9);
}

static void *run_daemon(void *context)
{
    daemon_run(context);
    return NULL;
}

static void calls_over_a_socket_and_tells_what_went_wrong(void **state)
{
    static struct daemon daemon;
    char folder[] = "/tmp/zos-test-XXXXXX", path[DAEMON_PATH_BYTES];
    char big[50000];
    struct reason reason = { 0 };
    cJSON *params = cJSON_CreateObject(), *result = NULL;
    pthread_t thread;
    int code;

    assert_non_null(mkdtemp(folder));
    setenv("ZOS_RUN", folder, 1);
    daemon_socket_path("test", path);
    assert_int_equal(rpc_call(path, "echo", NULL, 1000, &result, &code, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "No such file"));

    assert_int_equal(daemon_open(&daemon, "test", METHODS, &daemon), 0);
    pthread_create(&thread, NULL, run_daemon, &daemon);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    cJSON_AddStringToObject(params, "text", big);
    assert_int_equal(rpc_call(path, "echo", params, 5000, &result, &code, &reason), 0);
    assert_string_equal(result->valuestring, big);
    cJSON_Delete(result);
    assert_int_equal(rpc_call(path, "refuse", NULL, 5000, &result, &code, &reason), REFUSED);
    assert_int_equal(code, RPC_REFUSED);
    assert_string_equal(reason.text, "refuse: Refused: text: no");
    assert_int_equal(rpc_call(path, "stop", NULL, 5000, &result, &code, &reason), 0);
    cJSON_Delete(result);
    pthread_join(thread, NULL);
    cJSON_Delete(params);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_each_line_by_the_specification),
        cmocka_unit_test(calls_over_a_socket_and_tells_what_went_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
