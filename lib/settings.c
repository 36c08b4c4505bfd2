/* A node's settings out of three sources, each read into one JSON object of the same shape, so that there is one set of
 * rules:
 *
 *     /etc/zos/node.json   ◄── overridden by ──   boot medium   ◄── overridden by ──   kernel command line
 *
 * A key of a stronger source takes the place of the same key of a weaker one. */

#include "lib/settings.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

static const char *check_url(const cJSON *value)
{
    const char *url = value->valuestring;
    size_t prefix = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;

    if (!prefix || !url[prefix] || strpbrk(url, " \t\"<>\\"))
        return "must be an address like https://directory.example";
    return NULL;
}

static const struct json_rule SETTINGS_RULES[] = {
    { .name = "directory", .kind = JSON_STRING, .optional = true, .min = 8, .max = 512, .check = check_url },
    { .name = "directory_key", .kind = JSON_STRING, .optional = true, .min = 1, .max = NOTE_VKEY_BYTES },
    { .name = "directory_ca", .kind = JSON_STRING, .optional = true, .min = 1, .max = 32768 },
    { .name = "witnesses",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = COSIGNATURE_WITNESSES_MAX,
      .items = JSON_STRING },
    { .name = "witness_quorum", .kind = JSON_INTEGER, .optional = true, .max = COSIGNATURE_WITNESSES_MAX },
    { .name = "invite", .kind = JSON_OBJECT, .optional = true },
    { .name = "network", .kind = JSON_OBJECT, .optional = true },
    { .name = "storage", .kind = JSON_OBJECT, .optional = true },
    { 0 },
};

static int read_witnesses(const cJSON *object, struct cosignature_policy *ret_policy, struct reason *reason)
{
    return cosignature_policy_from_json(json_member(object, "witnesses"), json_member(object, "witness_quorum"),
                                        ret_policy, reason);
}

/* The two come together, so that no source's number stands beside another's keys. */
static int check_witnesses(const cJSON *object, struct reason *reason)
{
    struct cosignature_policy policy;

    if (!json_member(object, "witnesses") != !json_member(object, "witness_quorum"))
        return reason_refuse(reason, "witnesses", "must be given together with witness_quorum");
    return read_witnesses(object, &policy, reason);
}

/* What only a closer look tells: the verifier keys, and that the invite is one and signed by whom it says. */
static int check_deeper(const cJSON *object, struct reason *reason)
{
    const char *key = json_string(object, "directory_key");
    const cJSON *invite = json_member(object, "invite");
    struct note_verifier verifier;
    struct statement statement;
    int status = key ? note_verifier_parse(key, &verifier, reason) : 0;

    if (status != 0)
        return reason_prefix(reason, "directory_key");
    if (check_witnesses(object, reason) != 0)
        return REFUSED;
    if (!invite)
        return 0;
    status = statement_from_json(invite, &statement, reason);
    if (status < 0)
        return status;
    if (status > 0)
        return reason_prefix(reason, "invite");
    if (statement.kind != STATEMENT_INVITE)
        status = reason_refuse(reason, "invite", "is a statement of kind %s", statement_kind_name(statement.kind));
    statement_close(&statement);
    return status;
}

/* One word of the command line into the object. */
static int take_word(cJSON *object, const char *word, struct reason *reason)
{
    cleanup_free char *invite = NULL;
    size_t size = 0;

    if (strncmp(word, "zos.directory=", 14) == 0)
        return cJSON_AddStringToObject(object, "directory", word + 14) ? 0 : -ENOMEM;
    if (strncmp(word, "zos.directory_key=", 18) == 0)
        return cJSON_AddStringToObject(object, "directory_key", word + 18) ? 0 : -ENOMEM;
    if (strncmp(word, "zos.invite=", 11) == 0) {
        cJSON *value = NULL;
        int status;
        invite = decode_base64_url(word + 11, &size);
        if (!invite)
            return reason_refuse(reason, "zos.invite", "must be an envelope in base64url without padding");
        status = json_parse(invite, size, JSON_SIZE_MAX, &value, reason);
        if (status != 0)
            return status < 0 ? status : reason_prefix(reason, "zos.invite");
        cJSON_AddItemToObject(object, "invite", value);
    }
    return 0;
}

static int read_cmdline(const char *path, cJSON **ret_object, struct reason *reason)
{
    cleanup_free char *text = NULL;
    cleanup_json cJSON *object = cJSON_CreateObject();
    char *rest;
    int status = file_read(path, JSON_SIZE_MAX, &text, NULL);

    if (status < 0 || !object)
        return status < 0 ? status : -ENOMEM;
    for (char *word = strtok_r(text, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
        status = take_word(object, word, reason);
        if (status != 0)
            return status;
    }
    *ret_object = steal_pointer(object);
    return 0;
}

static int read_file(const char *path, cJSON **ret_object, struct reason *reason)
{
    cleanup_free char *text = NULL;
    size_t size;
    int status = file_read(path, JSON_SIZE_MAX, &text, &size);

    return status < 0 ? status : json_parse(text, size, JSON_SIZE_MAX, ret_object, reason);
}

/* Puts the keys of a source over those that are there; a source that is wrong leaves them as they are. */
static int merge(cJSON *settings, const char *root, const char *path, struct reason *reason)
{
    char full[4096];
    cleanup_json cJSON *source = NULL;
    struct reason why = { 0 };
    int status;

    snprintf(full, sizeof full, "%s%s", root, path);
    status = strcmp(path, SETTINGS_CMDLINE) == 0 ? read_cmdline(full, &source, &why) : read_file(full, &source, &why);
    if (status == 0)
        status = json_check(source, SETTINGS_RULES, "", &why);
    if (status == 0)
        status = check_deeper(source, &why);
    if (status == -ENOMEM || status == -ENOENT)
        return status == -ENOENT ? 0 : status;
    if (status != 0) {
        reason_refuse(reason, path, "%s", status < 0 ? strerror(-status) : why.text);
        return 0;
    }
    while (source->child) {
        cJSON *item = cJSON_DetachItemViaPointer(source, source->child);
        cJSON_DeleteItemFromObjectCaseSensitive(settings, item->string);
        if (!cJSON_AddItemToObject(settings, item->string, item))
            return -ENOMEM;
    }
    return 0;
}

static char *copy_string(const cJSON *object, const char *name)
{
    const char *text = json_string(object, name);
    return text ? strdup(text) : NULL;
}

static void fill(struct settings *settings, cJSON *object)
{
    const char *key = json_string(object, "directory_key");
    const cJSON *invite = json_member(object, "invite");
    size_t length;

    settings->directory = copy_string(object, "directory");
    while (settings->directory && (length = strlen(settings->directory)) > 0 && settings->directory[length - 1] == '/')
        settings->directory[length - 1] = '\0';
    settings->directory_ca = copy_string(object, "directory_ca");
    settings->has_key = key && note_verifier_parse(key, &settings->directory_key, NULL) == 0;
    if (read_witnesses(object, &settings->witnesses, NULL) != 0)
        settings->has_key = false; /* never: each source was checked; without a key nothing is believed */
    settings->invite = invite ? json_print(invite) : NULL;
    settings->network = cJSON_DetachItemFromObjectCaseSensitive(object, "network");
    settings->storage = cJSON_DetachItemFromObjectCaseSensitive(object, "storage");
}

int settings_read(const char *root, struct settings *ret_settings, struct reason *reason)
{
    static const char *const paths[] = { SETTINGS_INITRAMFS, SETTINGS_BOOT_MEDIUM, SETTINGS_CMDLINE };
    cleanup_json cJSON *object = cJSON_CreateObject();

    *ret_settings = (struct settings){ 0 };
    reason->text[0] = '\0';
    if (!object)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (merge(object, root, paths[i], reason) < 0)
            return -ENOMEM;
    fill(ret_settings, object);
    return 0;
}

void settings_close(struct settings *settings)
{
    if (!settings)
        return;
    free(settings->directory);
    free(settings->directory_ca);
    free(settings->invite);
    cJSON_Delete(settings->network);
    cJSON_Delete(settings->storage);
    *settings = (struct settings){ 0 };
}
