/* Farms: made, found, listed. */

#include "contrib/3bot/farm.h"

#include "contrib/3bot/commands.h"
#include "contrib/3bot/out.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

const struct command_option FARM_CREATE_OPTIONS[] = {
    { "country", "NAME", "where it stands" },
    { "city", "NAME", "where it stands" },
    { "latitude", "DEGREES", "-90 to 90" },
    { "longitude", "DEGREES", "-180 to 180" },
    { "description", "TEXT", "what people should know about it" },
    { 0 },
};

const struct command_option FARM_LIST_OPTIONS[] = {
    { "mine", NULL, "only those of this bot" },
    { 0 },
};

static int list_farms(struct session *session, const char *bot, cJSON **ret_items, struct reason *reason)
{
    char path[128];

    snprintf(path, sizeof path, "/v1/farms%s%s", bot ? "?bot=" : "", bot ? bot : "");
    return client_list(&session->client, path, ret_items, reason);
}

int farm_find(struct session *session, const char *name, int64_t *ret_farm, struct reason *reason)
{
    cleanup_json cJSON *items = NULL;
    const cJSON *item;
    int result = list_farms(session, key_id(session->key), &items, reason);

    if (result)
        return result;
    if (!name && cJSON_GetArraySize(items) > 1)
        return reason_refuse(reason, NULL, "you have %d farms: say which with --farm N (`3bot farm list --mine`)",
                             cJSON_GetArraySize(items));
    cJSON_ArrayForEach(item, items) {
        const char *called = json_string(item, "name");
        if (name && (!called || strcmp(called, name) != 0))
            continue;
        *ret_farm = json_integer(item, "farm");
        return 0;
    }
    reason_refuse(reason, NULL, "you have no farm%s%s: make one with `3bot farm create NAME`", name ? " called " : "",
                  name ? name : "");
    return CLIENT_NOT_FOUND;
}

/* Adds a coordinate when it was given. 0, or OUT_USAGE, said. */
static int add_degrees(cJSON *location, const struct call *call, const char *name)
{
    const char *text = command_value(call, name);
    char *end;
    double value;

    if (!text)
        return 0;
    errno = 0;
    value = strtod(text, &end);
    if (errno || *end || end == text || !(value >= -180 && value <= 180))
        return out_fail(OUT_USAGE, "--%s: \"%s\" is not a number of degrees", name, text);
    cJSON_AddNumberToObject(location, name, value);
    return 0;
}

static int make_payload(const struct call *call, cJSON *payload)
{
    static const char *const names[] = { "country", "city" };
    const char *description = command_value(call, "description");
    cJSON *location = cJSON_AddObjectToObject(payload, "location");

    cJSON_AddStringToObject(payload, "name", call->arguments[0]);
    cJSON_AddStringToObject(payload, "description", description ? description : "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (command_value(call, names[i]))
            cJSON_AddStringToObject(location, names[i], command_value(call, names[i]));
    }
    return add_degrees(location, call, "latitude") || add_degrees(location, call, "longitude") ? OUT_USAGE : 0;
}

static int tell_farm(const struct session *session, const char *name, int64_t farm, bool made)
{
    cJSON *value = cJSON_CreateObject();

    out_line("farm %lld: %s%s", (long long)farm, name, made ? "" : " (there already)");
    json_add_integer(value, "farm", farm);
    cJSON_AddStringToObject(value, "name", name);
    cJSON_AddStringToObject(value, "bot", key_id(session->key));
    cJSON_AddBoolToObject(value, "made", made);
    out_json(value);
    return 0;
}

static int create(struct session *session, struct call *call)
{
    cleanup_json cJSON *payload = cJSON_CreateObject();
    struct reason reason = { 0 };
    char id[HASH_TEXT_BYTES];
    const char *name = call->arguments[0];
    int64_t farm = 0;
    int result = make_payload(call, payload);

    if (result)
        return result;
    result = farm_find(session, name, &farm, &reason);
    if (!result)
        return tell_farm(session, name, farm, false);
    if (result == CLIENT_NOT_FOUND)
        result = session_publish(session, STATEMENT_FARM, payload, id, &reason);
    if (result == CLIENT_CONFLICT)
        return out_fail(OUT_FAILED, "the name \"%s\" can't be had: %s", name, reason.text);
    if (!result)
        result = farm_find(session, name, &farm, &reason);
    return result ? session_fail(result, &reason) : tell_farm(session, name, farm, true);
}

int farm_create(struct call *call)
{
    struct session session;
    int result = session_open(&session, call);

    if (result)
        return result;
    result = create(&session, call);
    session_close(&session);
    return result;
}

static void tell_list(const cJSON *items)
{
    struct out_table table = { 0 };
    const cJSON *item;

    out_table_row(&table, 5, "FARM", "NAME", "COUNTRY", "CITY", "BOT");
    cJSON_ArrayForEach(item, items) {
        const cJSON *location = json_member(item, "location");
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)json_integer(item, "farm"));
        out_table_row(&table, 5, number, json_string(item, "name"), json_string(location, "country"),
                      json_string(location, "city"), json_string(item, "bot"));
    }
    if (cJSON_GetArraySize(items) == 0)
        out_line("no farms yet: make one with `3bot farm create NAME`");
    else
        out_table_end(&table);
    out_table_end(&table);
}

int farm_list(struct call *call)
{
    struct session session;
    struct reason reason = { 0 };
    cJSON *items = NULL;
    bool mine = command_flag(call, "mine");
    int result = mine ? session_open(&session, call) : session_open_reader(&session, call);

    if (result)
        return result;
    result = list_farms(&session, mine ? key_id(session.key) : NULL, &items, &reason);
    session_close(&session);
    if (result)
        return session_fail(result, &reason);
    tell_list(items);
    out_json(items);
    return 0;
}
