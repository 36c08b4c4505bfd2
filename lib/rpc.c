/* JSON-RPC 2.0, the protocol: a line in, at most a line out. Everything in the line is foreign: it is parsed strictly,
 * its parameters are held against the method's rules, and only then is the method called.
 *
 * The two kinds of parameters are made one here: positional ones are given the names of the rules in their order. */

#include "lib/rpc.h"

#include "lib/cleanup.h"

#include <string.h>

#define RPC_BATCH_MAX 64

void rpc_error_set(struct rpc_error *ret_error, int code, const char *message, const char *data)
{
    ret_error->code = code;
    snprintf(ret_error->message, sizeof ret_error->message, "%s", message);
    snprintf(ret_error->data, sizeof ret_error->data, "%s", data ? data : "");
}

/* Takes the item over; without memory for it there is none. */
static void add_item(cJSON *object, const char *name, cJSON *item)
{
    if (!cJSON_AddItemToObject(object, name, item))
        cJSON_Delete(item);
}

static cJSON *answer_error(const cJSON *id, const struct rpc_error *error)
{
    cJSON *answer = cJSON_CreateObject();
    cJSON *body;

    cJSON_AddStringToObject(answer, "jsonrpc", "2.0");
    body = cJSON_AddObjectToObject(answer, "error");
    cJSON_AddNumberToObject(body, "code", error->code);
    cJSON_AddStringToObject(body, "message", error->message);
    if (error->data[0])
        cJSON_AddStringToObject(body, "data", error->data);
    add_item(answer, "id", id ? cJSON_Duplicate(id, true) : cJSON_CreateNull());
    return answer;
}

static cJSON *answer_result(const cJSON *id, cJSON *result)
{
    cJSON *answer = cJSON_CreateObject();

    cJSON_AddStringToObject(answer, "jsonrpc", "2.0");
    add_item(answer, "result", result ? result : cJSON_CreateNull());
    add_item(answer, "id", cJSON_Duplicate(id, true));
    return answer;
}

/* Positional parameters as an object with the names of the rules; named ones as they are. */
static int name_params(const cJSON *params, const struct json_rule *rules, cJSON **ret_named, struct reason *reason)
{
    cJSON *named;
    size_t index = 0;

    if (!params || cJSON_IsObject(params)) {
        *ret_named = params ? cJSON_Duplicate(params, true) : cJSON_CreateObject();
        return 0;
    }
    named = cJSON_CreateObject();
    for (const cJSON *item = params->child; item; item = item->next, index++) {
        if (!rules || !rules[index].name) {
            cJSON_Delete(named);
            return reason_refuse(reason, "params", "there are too many");
        }
        add_item(named, rules[index].name, cJSON_Duplicate(item, true));
    }
    *ret_named = named;
    return 0;
}

static const struct rpc_method *find_method(const struct rpc_method *methods, const char *name)
{
    for (; methods->name; methods++)
        if (strcmp(methods->name, name) == 0)
            return methods;
    return NULL;
}

static cJSON *call_method(const struct rpc_method *method, void *context, const cJSON *params, const cJSON *id)
{
    static const struct json_rule none[] = { { 0 } };
    const struct json_rule *rules = method->rules ? method->rules : none;
    cleanup_json cJSON *named = NULL;
    struct rpc_error error = { 0 };
    struct reason reason = { 0 };
    cJSON *result = NULL;

    if (name_params(params, rules, &named, &reason) != 0 || json_check(named, rules, "", &reason) != 0) {
        rpc_error_set(&error, RPC_INVALID_PARAMS, "Invalid params", reason.text);
        return id ? answer_error(id, &error) : NULL;
    }
    method->call(context, named, &result, &error);
    if (!id || error.code) {
        cJSON_Delete(result);
        return id ? answer_error(id, &error) : NULL;
    }
    return answer_result(id, result);
}

/* One request: an object with jsonrpc "2.0", method, and id unless it is a notification. NULL: nothing to answer. */
static cJSON *dispatch_one(const struct rpc_method *methods, void *context, const cJSON *request)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(request, "method");
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(request, "params");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request, "id");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(request, "jsonrpc");
    const struct rpc_method *method;
    struct rpc_error error;

    if (!cJSON_IsObject(request) || !cJSON_IsString(name) || !cJSON_IsString(version) ||
        strcmp(version->valuestring, "2.0") != 0 || (params && !cJSON_IsObject(params) && !cJSON_IsArray(params)) ||
        (id && !cJSON_IsString(id) && !cJSON_IsNumber(id) && !cJSON_IsNull(id))) {
        rpc_error_set(&error, RPC_INVALID_REQUEST, "Invalid Request", NULL);
        return answer_error(NULL, &error);
    }
    method = find_method(methods, name->valuestring);
    if (!method) {
        rpc_error_set(&error, RPC_METHOD_NOT_FOUND, "Method not found", name->valuestring);
        return id ? answer_error(id, &error) : NULL;
    }
    return call_method(method, context, params, id);
}

static cJSON *dispatch_batch(const struct rpc_method *methods, void *context, const cJSON *batch)
{
    cJSON *answers;
    struct rpc_error error;
    int count = cJSON_GetArraySize(batch);

    if (count == 0 || count > RPC_BATCH_MAX) {
        rpc_error_set(&error, RPC_INVALID_REQUEST, "Invalid Request", "a batch has 1 to 64 requests");
        return answer_error(NULL, &error);
    }
    answers = cJSON_CreateArray();
    for (const cJSON *request = batch->child; request; request = request->next) {
        cJSON *answer = dispatch_one(methods, context, request);
        if (answer && !cJSON_AddItemToArray(answers, answer))
            cJSON_Delete(answer);
    }
    if (!answers || answers->child)
        return answers;
    cJSON_Delete(answers);
    return NULL;
}

/* Half an answer would be a wrong one. */
static char *print_answer(const cJSON *answer)
{
    static const char out_of_memory[] =
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32603,\"message\":\"Out of memory\"},\"id\":null}";
    char *reply = !answer || json_memory_is_out() ? NULL : json_print(answer);

    return reply ? reply : strdup(out_of_memory);
}

void rpc_dispatch(const struct rpc_method *methods, void *context, const char *line, size_t size, char **ret_reply)
{
    cleanup_json cJSON *request = NULL, *answer = NULL;
    struct rpc_error error;
    struct reason reason = { 0 };
    int result;

    *ret_reply = NULL;
    json_watch_memory();
    result = json_parse(line, size, RPC_LINE_BYTES_MAX, &request, &reason);
    if (result == REFUSED) {
        rpc_error_set(&error, RPC_PARSE_ERROR, "Parse error", reason.text);
        answer = answer_error(NULL, &error);
    } else if (result == 0 && cJSON_IsArray(request)) {
        answer = dispatch_batch(methods, context, request);
    } else if (result == 0) {
        answer = dispatch_one(methods, context, request);
    }
    if (result < 0 || answer || json_memory_is_out())
        *ret_reply = print_answer(answer);
}
