/* The bot itself: its key, its registration, its id. */

#include "contrib/3bot/commands.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/session.h"

#include "lib/cleanup.h"
#include "lib/http.h"

#include <ctype.h>
#include <string.h>

const struct command_option BOT_INIT_OPTIONS[] = {
    { "name", "NAME", "how the bot is called: a-z, 0-9, '.' and '-' (else made from its id)" },
    { "description", "TEXT", "what people should know about it" },
    { 0 },
};

#define DEFAULT_NAME_DIGITS 10

/* "bot-" and the first digits of the id: a label that nobody else is likely to have. */
static void default_name(const char *id, char ret_name[static 64])
{
    int length = snprintf(ret_name, 64, "bot-%.*s", DEFAULT_NAME_DIGITS, id);

    for (int i = 0; i < length; i++)
        ret_name[i] = (char)tolower((unsigned char)ret_name[i]);
}

static void keep_name(struct config *config, const char *name)
{
    char *copy = name ? strdup(name) : NULL;

    free(config->name);
    config->name = copy;
}

/* What the directory calls this bot, in config.name; NULL when it doesn't know it. 0, or a condition. */
static int find_registered(struct session *session, struct reason *reason)
{
    cleanup_json cJSON *view = NULL;
    char path[128];
    int result;

    snprintf(path, sizeof path, "/v1/bots/%s", key_id(session->key));
    result = client_get(&session->client, path, &view, reason);
    if (result && result != CLIENT_NOT_FOUND)
        return result;
    keep_name(&session->config, result ? NULL : json_string(view, "name"));
    return 0;
}

static int publish_bot(struct session *session, const char *name, const char *description, struct reason *reason)
{
    cleanup_json cJSON *payload = cJSON_CreateObject();
    char id[HASH_TEXT_BYTES];
    int result;

    cJSON_AddStringToObject(payload, "name", name);
    cJSON_AddStringToObject(payload, "description", description ? description : "");
    result = session_publish(session, STATEMENT_BOT, payload, id, reason);
    if (!result)
        keep_name(&session->config, name);
    return result;
}

/* Registers the bot unless it is. 0 or an exit code, said. */
static int register_bot(struct session *session, const char *name, const char *description)
{
    struct reason reason = { 0 };
    char made[64];
    int result = find_registered(session, &reason);

    if (!result && session->config.name) {
        if (name && strcmp(name, session->config.name) != 0)
            return out_fail(OUT_FAILED, "this bot is registered as \"%s\" already, and keeps that name",
                            session->config.name);
        return 0;
    }
    if (!name) {
        default_name(key_id(session->key), made);
        name = made;
    }
    if (!result)
        result = publish_bot(session, name, description, &reason);
    if (result == CLIENT_CONFLICT)
        return out_fail(OUT_FAILED, "the name \"%s\" can't be had (%s): choose another with `3bot init --name NAME`",
                        name, reason.text);
    if (result)
        return out_fail(OUT_FAILED, "the key is there, but the bot isn't registered: %s", reason.text);
    return 0;
}

static void tell(const struct session *session)
{
    cJSON *value = cJSON_CreateObject();

    cJSON_AddStringToObject(value, "id", key_id(session->key));
    cJSON_AddStringToObject(value, "name", session->config.name ? session->config.name : "");
    cJSON_AddStringToObject(value, "directory", session->config.directory ? session->config.directory : "");
    cJSON_AddStringToObject(value, "folder", session->config.folder);
    out_json(value);
}

/* That this is the directory whose key was given; only then is it kept. One that can't be reached now may be: it is
 * kept for the next try. 0 or an exit code, said. */
static int check_directory(struct session *session)
{
    struct reason reason = { 0 }, written = { 0 };
    int result = client_check_log(&session->client, &reason);

    if (result == CLIENT_REWRITTEN)
        return session_fail(result, &reason);
    if (result && result != CLIENT_UNREACHABLE)
        return out_fail(OUT_FAILED, "%s isn't the directory whose key was given (%s); nothing was changed",
                        session->config.directory, reason.text);
    if (config_write(&session->config, &written))
        return out_fail(OUT_FAILED, "%s", written.text);
    if (result)
        return out_fail(OUT_FAILED, "the key is there, but the bot isn't registered: %s; run `3bot init` again then",
                        reason.text);
    return 0;
}

static int init(struct session *session, const struct call *call)
{
    struct reason reason = { 0 };
    int result;

    if (config_key(&session->config, true, &session->key, &reason) ||
        client_open(&session->client, &session->config, &reason))
        return out_fail(OUT_FAILED, "%s", reason.text);
    out_progress("registering at %s", session->config.directory);
    result = check_directory(session);
    if (!result)
        result = register_bot(session, command_value(call, "name"), command_value(call, "description"));
    if (result)
        return result;
    if (config_write(&session->config, &reason))
        return out_fail(OUT_FAILED, "%s", reason.text);
    out_line("bot %s: %s", session->config.name, key_id(session->key));
    out_line("directory %s, checked with %s", session->config.directory, session->config.directory_key);
    out_line("its key is in %s/key: keep a copy of that file in a safe place", session->config.folder);
    tell(session);
    return 0;
}

int bot_init(struct call *call)
{
    struct session session = { 0 };
    struct reason reason = { 0 };
    int result;

    if (http_open() < 0)
        return OUT_FAILED;
    if (config_read(&call->overrides, &session.config, &reason))
        return out_fail(OUT_FAILED, "%s", reason.text);
    result = init(&session, call);
    session_close(&session);
    return result;
}

int bot_id(struct call *call)
{
    struct session session = { 0 };
    struct reason reason = { 0 };
    int result = 0;

    if (config_read(&call->overrides, &session.config, &reason) ||
        config_key(&session.config, false, &session.key, &reason)) {
        result = out_fail(OUT_FAILED, "%s", reason.text);
    } else {
        out_line("%s", key_id(session.key));
        tell(&session);
    }
    session_close(&session);
    return result;
}
