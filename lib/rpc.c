/* JSON-RPC 2.0, the protocol: a line in, at most a line out. Everything in the line is foreign: it is parsed strictly,
 * its parameters are held against the method's rules, and only then is the method called.
 *
 * The two kinds of parameters are made one here: positional ones are given the names of the rules in their order. */

#include "lib/rpc.h"

#include "lib/cleanup.h"
#include "lib/encode.h"

#include <string.h>

#define RPC_BATCH_MAX 64

/* Copies as much as there is room for. What isn't UTF-8, such as a sequence that was cut somewhere, is shown as ?: the
 * answer is JSON. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);

    memcpy(to, from, length);
    to[length] = '\0';
    for (size_t i = 0, step; i < length; i += step) {
        step = utf8_length(to + i, length - i);
        if (step == 0) {
            to[i] = '?';
            step = 1;
        }
    }
}

void rpc_error_set(struct rpc_error *ret_error, int code, const char *message, const char *data)
{
    ret_error->code = code;
    copy_text(ret_error->message, sizeof ret_error->message, message);
    copy_text(ret_error->data, sizeof ret_error->data, data ? data : "");
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

static const struct json_rule *find_rule(const struct json_rule *rules, const char *name)
{
    while (rules->name && strcmp(rules->name, name) != 0)
        rules++;
    return rules->name ? rules : NULL;
}

/* The parameters as an object of their own: positional ones with the names of the rules. An optional one that is null
 * is left out: clients with typed languages send it so. */
static int name_params(const cJSON *params, const struct json_rule *rules, cJSON **ret_named, struct reason *reason)
{
    cleanup_json cJSON *named = cJSON_CreateObject();
    bool positional = cJSON_IsArray(params);
    size_t index = 0;

    for (const cJSON *item = params ? params->child : NULL; item; item = item->next, index++) {
        const struct json_rule *rule = positional ? &rules[index] : find_rule(rules, item->string);
        if (positional && !rule->name)
            return reason_refuse(reason, "params", "there are too many");
        if (!(rule && rule->optional && cJSON_IsNull(item)))
            add_item(named, positional ? rule->name : item->string, cJSON_Duplicate(item, true));
    }
    *ret_named = steal_pointer(named);
    return *ret_named ? 0 : reason_refuse(reason, "params", "memory is out");
}

static const struct rpc_method *find_method(const struct rpc_method *methods, const char *name)
{
    for (; methods->name; methods++)
        if (strcmp(methods->name, name) == 0)
            return methods;
    return NULL;
}

void rpc_invoke(const struct rpc_method *methods, void *context, const char *name, const cJSON *params,
                cJSON **ret_result, struct rpc_error *ret_error)
{
    static const struct json_rule none[] = { { 0 } };
    const struct rpc_method *method = find_method(methods, name);
    const struct json_rule *rules = method && method->rules ? method->rules : none;
    cleanup_json cJSON *named = NULL;
    struct reason reason = { 0 };

    if (!method)
        rpc_error_set(ret_error, RPC_METHOD_NOT_FOUND, "Method not found", name);
    else if (name_params(params, rules, &named, &reason) != 0 || json_check(named, rules, "", &reason) != 0)
        rpc_error_set(ret_error, RPC_INVALID_PARAMS, "Invalid params", reason.text);
    else
        method->call(context, named, ret_result, ret_error);
}

/* Whether it is an object with jsonrpc "2.0", method, and params and id that may be so, if any. */
static bool is_request(const cJSON *request)
{
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(request, "params");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request, "id");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(request, "jsonrpc");

    return cJSON_IsObject(request) && cJSON_IsString(cJSON_GetObjectItemCaseSensitive(request, "method")) &&
           cJSON_IsString(version) && strcmp(version->valuestring, "2.0") == 0 &&
           (!params || cJSON_IsObject(params) || cJSON_IsArray(params) || cJSON_IsNull(params)) &&
           (!id || cJSON_IsString(id) || cJSON_IsNumber(id) || cJSON_IsNull(id));
}

/* NULL: nothing to answer. */
static cJSON *dispatch_one(const struct rpc_method *methods, void *context, const cJSON *request)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request, "id");
    struct rpc_error error = { 0 };
    cJSON *result = NULL;

    if (!is_request(request)) {
        rpc_error_set(&error, RPC_INVALID_REQUEST, "Invalid Request", NULL);
        return answer_error(NULL, &error);
    }
    rpc_invoke(methods, context, json_string(request, "method"), cJSON_GetObjectItemCaseSensitive(request, "params"),
               &result, &error);
    if (id && !error.code)
        return answer_result(id, result);
    cJSON_Delete(result);
    return id ? answer_error(id, &error) : NULL;
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
