/* Invites: a farmer's signed word that machines may join, in the three forms that a boot takes. */

#include "contrib/3bot/commands.h"
#include "contrib/3bot/farm.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/units.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <string.h>

#define INVITE_NODES_DEFAULT 100
#define INVITE_EXPIRES_DEFAULT "30d"
#define INVITE_NODES_MAX 1000000

const struct command_option INVITE_OPTIONS[] = {
    { "farm", "N", "which farm (else the only one you have)" },
    { "nodes", "M", "how many machines may join with it (else 100)" },
    { "expires", "DURATION", "for how long, like 30d (the default), 12h" },
    { "out", "FILE", "write it there (mode 0600) rather than to the screen" },
    { "settings", NULL, "a whole node.json: directory, its key, invite" },
    { "cmdline", NULL, "the words for a node's kernel command line" },
    { "node-directory", "URL", "where nodes reach the directory, when it isn't where you do" },
    { 0 },
};

/* What of the options becomes the invite. 0, or OUT_USAGE, said. */
static int read_options(const struct call *call, int64_t *ret_farm, int64_t *ret_nodes, int64_t *ret_expires_s)
{
    const char *farm = command_value(call, "farm"), *nodes = command_value(call, "nodes"),
               *expires = command_value(call, "expires");
    struct reason reason = { 0 };

    if (command_flag(call, "settings") && command_flag(call, "cmdline"))
        return out_fail(OUT_USAGE, "--settings and --cmdline are two forms of the same: give one");
    if (farm && units_parse_integer(farm, 1, JSON_INTEGER_MAX, ret_farm, &reason))
        return out_fail(OUT_USAGE, "--farm: %s", reason.text);
    if (nodes && units_parse_integer(nodes, 1, INVITE_NODES_MAX, ret_nodes, &reason))
        return out_fail(OUT_USAGE, "--nodes: %s", reason.text);
    if (units_parse_duration(expires ? expires : INVITE_EXPIRES_DEFAULT, ret_expires_s, &reason))
        return out_fail(OUT_USAGE, "--expires: %s", reason.text);
    return 0;
}

/* Sees to it that the farm is ours, or finds the only one. 0, or a condition. */
static int find_farm(struct session *session, int64_t *farm, struct reason *reason)
{
    cleanup_json cJSON *view = NULL;
    const char *bot;
    char path[64];
    int result;

    if (!*farm)
        return farm_find(session, NULL, farm, reason);
    snprintf(path, sizeof path, "/v1/farms/%lld", (long long)*farm);
    result = client_get(&session->client, path, &view, reason);
    if (result == CLIENT_NOT_FOUND)
        reason_refuse(reason, NULL, "there is no farm %lld: see `3bot farm list`", (long long)*farm);
    if (result)
        return result;
    bot = json_string(view, "bot");
    if (!bot || strcmp(bot, key_id(session->key)) != 0)
        return reason_refuse(reason, NULL, "farm %lld isn't yours: see `3bot farm list --mine`", (long long)*farm);
    return 0;
}

static const char *directory_for_nodes(const struct session *session, const struct call *call)
{
    const char *other = command_value(call, "node-directory");

    return other ? other : session->config.directory;
}

/* A node.json with everything a node needs to find its directory and join (initramfs/README.md). */
static char *format_settings(const struct session *session, const struct call *call, const char *envelope)
{
    cleanup_json cJSON *settings = cJSON_CreateObject();

    cJSON_AddStringToObject(settings, "directory", directory_for_nodes(session, call));
    cJSON_AddStringToObject(settings, "directory_key", session->config.directory_key);
    if (session->config.witnesses.quorum)
        cosignature_policy_to_json(&session->config.witnesses, settings);
    if (session->config.directory_ca)
        cJSON_AddStringToObject(settings, "directory_ca", session->config.directory_ca);
    cJSON_AddItemToObject(settings, "invite", cJSON_Parse(envelope));
    return json_print(settings);
}

static char *format_cmdline(const struct session *session, const struct call *call, const char *envelope)
{
    cleanup_free char *text = encode_base64_url(envelope, strlen(envelope));
    char *words = NULL;

    if (session->config.directory_ca && strncmp(directory_for_nodes(session, call), "https:", 6) == 0)
        out_warn("the authority of the directory's certificate doesn't fit on a command line: use --settings");
    if (!text || asprintf(&words, "zos.directory=%s zos.directory_key=%s zos.invite=%s",
                          directory_for_nodes(session, call), session->config.directory_key, text) < 0)
        return NULL;
    return words;
}

static char *format(const struct session *session, const struct call *call, const char *envelope)
{
    if (command_flag(call, "settings"))
        return format_settings(session, call, envelope);
    if (command_flag(call, "cmdline"))
        return format_cmdline(session, call, envelope);
    return strdup(envelope);
}

/* Writes it to the file, or prints it: the text itself, so that it can be piped, in both modes. */
static int hand_out(const struct call *call, const char *text, int64_t farm)
{
    const char *path = command_value(call, "out");
    cleanup_free char *line = NULL;
    cJSON *value;

    if (!path) {
        if (!out_is_json() || !command_flag(call, "cmdline")) {
            out_raw(text);
            return 0;
        }
        value = cJSON_CreateObject();
        cJSON_AddStringToObject(value, "cmdline", text);
        out_json(value);
        return 0;
    }
    if (asprintf(&line, "%s\n", text) < 0 || file_write(path, line, strlen(line), 0600) < 0)
        return out_fail(OUT_FAILED, "%s: can't be written", path);
    out_line("invite to farm %lld written to %s", (long long)farm, path);
    value = cJSON_CreateObject();
    json_add_integer(value, "farm", farm);
    cJSON_AddStringToObject(value, "out", path);
    out_json(value);
    return 0;
}

static int invite(struct session *session, const struct call *call)
{
    cleanup_json cJSON *payload = cJSON_CreateObject();
    cleanup_free char *envelope = NULL, *text = NULL;
    struct reason reason = { 0 };
    int64_t farm = 0, nodes = INVITE_NODES_DEFAULT, expires_s = 0, now = time(NULL);
    int result = read_options(call, &farm, &nodes, &expires_s);

    if (result)
        return result;
    result = find_farm(session, &farm, &reason);
    if (result)
        return session_fail(result, &reason);
    json_add_integer(payload, "farm", farm);
    json_add_integer(payload, "expires", now + expires_s);
    json_add_integer(payload, "nodes_max", nodes);
    if (statement_sign(STATEMENT_INVITE, payload, now, session->key, &envelope, NULL, &reason))
        return out_fail(OUT_FAILED, "the invite can't be signed: %s", reason.text);
    text = format(session, call, envelope);
    return text ? hand_out(call, text, farm) : out_fail(OUT_FAILED, "memory is out");
}

int invite_run(struct call *call)
{
    struct session session;
    int result = session_open(&session, call);

    if (result)
        return result;
    result = invite(&session, call);
    session_close(&session);
    return result;
}
