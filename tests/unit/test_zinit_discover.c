/* What rpc.discover tells is what there is: every method and parameter of the one is in the other. */

#include "zinit/api.h"

#include "zinit/discover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static cJSON *document;

static int open_document(void **state)
{
    struct rpc_error error = { 0 };

    discover_call(NULL, NULL, &document, &error);
    return document ? 0 : -1;
}

static int close_document(void **state)
{
    cJSON_Delete(document);
    return 0;
}

static const cJSON *methods(void)
{
    return cJSON_GetObjectItemCaseSensitive(document, "methods");
}

static const cJSON *find_method(const char *name)
{
    const cJSON *method;

    cJSON_ArrayForEach(method, methods()) {
        if (strcmp(json_string(method, "name"), name) == 0)
            return method;
    }
    return NULL;
}

static const char *type_of(const struct json_rule *rule)
{
    static const char *const types[] = { [JSON_STRING] = "string", [JSON_INTEGER] = "integer", [JSON_NUMBER] = "number",
                                         [JSON_BOOL] = "boolean",  [JSON_OBJECT] = "object",   [JSON_ARRAY] = "array" };

    return types[rule->kind];
}

static void holds(const char *method, const struct json_rule *rule, const cJSON *param)
{
    const cJSON *schema = param ? json_member(param, "schema") : NULL;

    if (!param || strcmp(json_string(param, "name"), rule->name) != 0)
        fail_msg("%s: parameter %s isn't in the document at its place", method, rule->name);
    if (json_bool(param, "required") == rule->optional)
        fail_msg("%s: parameter %s: whether it is required isn't so", method, rule->name);
    if (!json_string(schema, "$ref") && strcmp(json_string(schema, "type"), type_of(rule)) != 0)
        fail_msg("%s: parameter %s: its type isn't so", method, rule->name);
}

static void every_method_is_told_with_its_parameters_in_order(void **state)
{
    size_t count = 0;

    for (const struct rpc_method *method = API_METHODS; method->name; method++, count++) {
        const cJSON *told = find_method(method->name), *params = told ? json_member(told, "params") : NULL;
        int place = 0;
        if (!told)
            fail_msg("%s isn't in the document", method->name);
        for (const struct json_rule *rule = method->rules; rule && rule->name; rule++)
            holds(method->name, rule, cJSON_GetArrayItem(params, place++));
        assert_int_equal(cJSON_GetArraySize(params), place);
        assert_non_null(json_member(told, "result"));
        assert_non_null(json_string(told, "description"));
    }
    assert_int_equal(cJSON_GetArraySize(methods()), count);
}

/* "#/components/errors/Down" leads somewhere. */
static void follow_references(const cJSON *value)
{
    const cJSON *item, *at = document;
    const char *reference = cJSON_IsObject(value) ? json_string(value, "$ref") : NULL;
    char way[128], *rest = way, *step;

    cJSON_ArrayForEach(item, value)
        follow_references(item);
    if (!reference)
        return;
    snprintf(way, sizeof way, "%s", reference);
    strsep(&rest, "/");
    while ((step = strsep(&rest, "/")))
        at = cJSON_GetObjectItemCaseSensitive(at, step);
    if (!at)
        fail_msg("%s leads nowhere", reference);
}

static void every_reference_leads_somewhere(void **state)
{
    follow_references(document);
}

/* zinit's own document (threefoldtech/zinit, openrpc.json): what was written against it finds it here. */
static void all_of_zinits_methods_are_there(void **state)
{
    static const char *const names[] = {
        "rpc.discover",       "service_list",         "service_status",           "service_start",
        "service_stop",       "service_monitor",      "service_forget",           "service_kill",
        "system_shutdown",    "system_reboot",        "service_create",           "service_delete",
        "service_get",        "service_stats",        "system_start_http_server", "system_stop_http_server",
        "stream_currentLogs", "stream_subscribeLogs",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!find_method(names[i]))
            fail_msg("%s isn't there", names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_told_with_its_parameters_in_order),
        cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(all_of_zinits_methods_are_there),
    };

    return cmocka_run_group_tests(tests, open_document, close_document);
}
