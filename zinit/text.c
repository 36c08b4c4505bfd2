/* Words are split as the original does it, by a shell's quoting. */

#include "zinit/text.h"

#include "lib/cleanup.h"
#include "lib/json.h"
#include "zinit/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *word, *method;
    size_t least, most;    /* words behind it */
    const char *otherwise; /* stands for the last one when that is missing; NULL: nothing does */
} COMMANDS[] = {
    { "list", "service_list", 0, 0, NULL },       { "status", "service_status", 1, 1, NULL },
    { "start", "service_start", 1, 1, NULL },     { "stop", "service_stop", 1, 1, NULL },
    { "restart", "service_restart", 1, 1, NULL }, { "monitor", "service_monitor", 1, 1, NULL },
    { "forget", "service_forget", 1, 1, NULL },   { "kill", "service_kill", 1, 2, "SIGTERM" },
    { "stats", "service_stats", 1, 1, NULL },     { "shutdown", "system_shutdown", 0, 0, NULL },
    { "reboot", "system_reboot", 0, 0, NULL },
};

/* log [snapshot] [NAME] */
static bool read_log(char *const *words, size_t count, struct text_request *ret_request)
{
    bool snapshot = count > 0 && strcmp(words[0], "snapshot") == 0;
    const char *name = words[snapshot];

    if (count > 1U + snapshot || (name && !unit_name_fits(name)))
        return false;
    *ret_request = (struct text_request){ .log = true, .follow = !snapshot };
    snprintf(ret_request->name, sizeof ret_request->name, "%s", name ? name : "");
    return true;
}

static int read_command(const struct command *command, char *const *words, size_t count,
                        struct text_request *ret_request)
{
    cJSON *params = cJSON_CreateArray();

    for (; *words; words++)
        cJSON_AddItemToArray(params, cJSON_CreateString(*words));
    if (count < command->most && command->otherwise)
        cJSON_AddItemToArray(params, cJSON_CreateString(command->otherwise));
    if (!params)
        return -ENOMEM;
    *ret_request = (struct text_request){ .method = command->method, .params = params };
    return 0;
}

static int read_words(char *const *words, struct text_request *ret_request, struct reason *reason)
{
    size_t count = words_count(words + 1);

    if (strcmp(words[0], "log") == 0 && read_log(words + 1, count, ret_request))
        return 0;
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++)
        if (strcmp(words[0], COMMANDS[i].word) == 0 && count >= COMMANDS[i].least && count <= COMMANDS[i].most)
            return read_command(&COMMANDS[i], words + 1, count, ret_request);
    return reason_refuse(reason, NULL, "unknown command '%.100s' or wrong arguments count", words[0]);
}

/* What commands are made of; nothing else finds its way into an answer. */
static bool is_plain(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((line[i] < 0x20 && line[i] != '\t' && line[i] != '\r') || line[i] >= 0x7f)
            return false;
    return true;
}

int text_parse(const char *line, size_t size, struct text_request *ret_request, struct reason *reason)
{
    cleanup_free char *copy = strndup(line, size);
    char **words = NULL;
    struct reason inner = { "" };
    int result;

    if (!copy)
        return -ENOMEM;
    if (!is_plain(line, size))
        return reason_refuse(reason, NULL, "invalid command syntax: only printable ASCII");
    result = words_split(copy, &words, &inner);
    if (result == REFUSED)
        return reason_refuse(reason, NULL, "invalid command syntax: %s", inner.text);
    if (result == 0)
        result = words[0] ? read_words(words, ret_request, reason) : reason_refuse(reason, NULL, "unknown command");
    words_free(words);
    return result;
}

char *text_answer(cJSON *result, const char *problem)
{
    cleanup_json cJSON *answer = cJSON_CreateObject();
    cleanup_free char *text = NULL;
    char *line;

    cJSON_AddStringToObject(answer, "state", problem ? "error" : "ok");
    if (problem)
        cJSON_AddStringToObject(answer, "body", problem);
    else
        cJSON_AddItemToObject(answer, "body", result ? result : cJSON_CreateNull());
    if (problem)
        cJSON_Delete(result);
    text = answer ? json_print(answer) : NULL;
    return text && asprintf(&line, "%s\n", text) >= 0 ? line : NULL;
}
