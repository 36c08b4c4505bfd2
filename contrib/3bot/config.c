/* The folder of the bot: where it is, and what its files say. */

#include "contrib/3bot/config.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_BYTES_MAX 65536

static const struct json_rule CONFIG_RULES[] = {
    { "directory", JSON_STRING, .optional = true, .min = 1, .max = 2048 },
    { "directory_key", JSON_STRING, .optional = true, .min = 1, .max = NOTE_VKEY_BYTES },
    { "directory_ca", JSON_STRING, .optional = true, .min = 1, .max = CONFIG_BYTES_MAX },
    { "name", JSON_STRING, .optional = true, .min = 1, .max = 63 },
    { "witnesses", JSON_ARRAY, .optional = true, .max = COSIGNATURE_WITNESSES_MAX, .items = JSON_STRING },
    { "witness_quorum", JSON_INTEGER, .optional = true, .min = 0, .max = COSIGNATURE_WITNESSES_MAX },
    { 0 },
};

/* The value of an environment variable, NULL when it is unset or empty. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int find_folder(struct config *config, struct reason *reason)
{
    const char *own = environment("THREEBOT_HOME"), *xdg = environment("XDG_CONFIG_HOME"), *home = environment("HOME");
    int length;

    if (own)
        length = snprintf(config->folder, sizeof config->folder, "%s", own);
    else if (xdg)
        length = snprintf(config->folder, sizeof config->folder, "%s/3bot", xdg);
    else if (home)
        length = snprintf(config->folder, sizeof config->folder, "%s/.config/3bot", home);
    else
        return reason_refuse(reason, NULL, "no place for the bot's key: set HOME or THREEBOT_HOME");
    if (length >= (int)sizeof config->folder)
        return reason_refuse(reason, NULL, "the path of the bot's folder is too long");
    return 0;
}

void config_path(const struct config *config, const char *name, char ret_path[static CONFIG_PATH_BYTES])
{
    snprintf(ret_path, CONFIG_PATH_BYTES, "%s/%.60s", config->folder, name);
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int read_file(struct config *config, struct reason *reason)
{
    char path[CONFIG_PATH_BYTES];
    cleanup_free char *text = NULL;
    cleanup_json cJSON *json = NULL;
    size_t size;
    int result;

    config_path(config, "config.json", path);
    result = file_read(path, CONFIG_BYTES_MAX, &text, &size);
    if (result == -ENOENT)
        return 0;
    if (result < 0)
        return reason_refuse(reason, path, "can't be read: %s", strerror(-result));
    if (json_parse(text, size, CONFIG_BYTES_MAX, &json, reason) || json_check(json, CONFIG_RULES, "", reason))
        return reason_prefix(reason, path);
    config->directory = copy(json_string(json, "directory"));
    config->directory_key = copy(json_string(json, "directory_key"));
    config->directory_ca = copy(json_string(json, "directory_ca"));
    config->name = copy(json_string(json, "name"));
    if (cosignature_policy_from_json(json_member(json, "witnesses"), json_member(json, "witness_quorum"),
                                     &config->witnesses, reason))
        return reason_prefix(reason, path);
    return 0;
}

static void replace(char **value, const char *first, const char *second)
{
    if (!first && !second)
        return;
    free(*value);
    *value = strdup(first ? first : second);
}

static int read_authority(struct config *config, const char *path, struct reason *reason)
{
    char *pem = NULL;
    int result;

    if (!path)
        return 0;
    result = file_read(path, CONFIG_BYTES_MAX / 2, &pem, NULL);
    if (result < 0)
        return reason_refuse(reason, path, "can't be read: %s", strerror(-result));
    free(config->directory_ca);
    config->directory_ca = pem;
    return 0;
}

static int check_directory(struct config *config, struct reason *reason)
{
    char *url = config->directory;

    if (!url)
        return 0;
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return reason_refuse(reason, "directory", "\"%s\" must begin with https:// or http://", url);
    for (size_t length = strlen(url); length && url[length - 1] == '/'; length--)
        url[length - 1] = '\0';
    return 0;
}

int config_read(const struct config_overrides *overrides, struct config *ret_config, struct reason *reason)
{
    struct config config = { 0 };
    const char *ca = overrides->directory_ca ? overrides->directory_ca : environment("THREEBOT_DIRECTORY_CA");
    int result = find_folder(&config, reason);

    if (!result)
        result = read_file(&config, reason);
    if (!result) {
        replace(&config.directory, overrides->directory, environment("THREEBOT_DIRECTORY"));
        replace(&config.directory_key, overrides->directory_key, environment("THREEBOT_DIRECTORY_KEY"));
        result = check_directory(&config, reason);
    }
    if (!result)
        result = read_authority(&config, ca, reason);
    if (!result && config.directory_key) {
        result = note_verifier_parse(config.directory_key, &config.verifier, reason);
        if (result)
            reason_prefix(reason, "directory key");
    }
    if (result)
        config_close(&config);
    else
        *ret_config = config;
    return result;
}

int config_write(const struct config *config, struct reason *reason)
{
    char path[CONFIG_PATH_BYTES];
    cleanup_json cJSON *json = cJSON_CreateObject();
    cleanup_free char *text = NULL;
    const char *const pairs[][2] = { { "directory", config->directory },
                                     { "directory_key", config->directory_key },
                                     { "directory_ca", config->directory_ca },
                                     { "name", config->name } };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (pairs[i][1])
            cJSON_AddStringToObject(json, pairs[i][0], pairs[i][1]);
    }
    if (config->witnesses.count)
        cosignature_policy_to_json(&config->witnesses, json);
    text = json_print(json);
    config_path(config, "config.json", path);
    if (!text || file_make_folders(config->folder, 0700) < 0 || file_write(path, text, strlen(text), 0600) < 0)
        return reason_refuse(reason, path, "can't be written");
    return 0;
}

void config_close(struct config *config)
{
    free(config->directory);
    free(config->directory_key);
    free(config->directory_ca);
    free(config->name);
    *config = (struct config){ 0 };
}

int config_key(const struct config *config, bool create, struct key **ret_key, struct reason *reason)
{
    char path[CONFIG_PATH_BYTES];
    struct stat status;
    int result;

    config_path(config, "key", path);
    if (create && file_make_folders(config->folder, 0700) < 0)
        return reason_refuse(reason, config->folder, "can't be made");
    if (stat(path, &status) == 0 && (status.st_mode & 077))
        return reason_refuse(reason, path, "others can read the bot's key: run `chmod 600 %s`", path);
    result = key_load(path, create, ret_key);
    if (result == -ENOENT)
        return reason_refuse(reason, NULL, "no bot here yet (%s): run `3bot init`", config->folder);
    if (result < 0)
        return reason_refuse(reason, path, "can't be read: %s", strerror(-result));
    return 0;
}
