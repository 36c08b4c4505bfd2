/* zinit's states: Running; Success (ended with 0, not to be started again); Error; everything else is on its way. */

#include "provisiond/watch.h"

#include "lib/cleanup.h"
#include "provisiond/call.h"
#include "provisiond/text.h"

#include <string.h>

#define CALL_MS 10000
#define FNV_BASIS 0xcbf29ce484222325u /* FNV-1a, 64 bits */
#define FNV_PRIME 0x100000001b3u
#define RESTARTS_MAX 3 /* that many ends in a row, and a container counts as broken */

char *watch_output(const cJSON *lines, size_t max)
{
    const cJSON *line;
    size_t size = 1, used = 0, from;
    char *text;

    cJSON_ArrayForEach(line, lines)
        size += cJSON_IsString(line) ? strlen(line->valuestring) + 1 : 0;
    text = malloc(size);
    if (!text)
        return NULL;
    cJSON_ArrayForEach(line, lines) {
        size_t length = cJSON_IsString(line) ? strlen(line->valuestring) : 0;
        if (!cJSON_IsString(line))
            continue;
        memcpy(text + used, line->valuestring, length);
        used += length;
        if (!length || line->valuestring[length - 1] != '\n')
            text[used++] = '\n';
    }
    text[used] = '\0';
    from = used > max ? used - max : 0;
    while (from && ((unsigned char)text[from] & 0xc0) == 0x80)
        from++;
    memmove(text, text + from, used - from + 1);
    text_clean(text);
    return text;
}

static void add_output(cJSON *report, const char *service, size_t max)
{
    cleanup_json cJSON *lines = NULL;
    cleanup_free char *output = NULL;
    struct reason reason;
    cJSON *params = call_name(service);

    cJSON_AddBoolToObject(params, "raw", true);
    if (call("zinit", "stream_currentLogs", params, CALL_MS, &lines, NULL, &reason) != 0)
        return;
    output = watch_output(lines, max);
    cJSON_AddStringToObject(report, "output", output ? output : "");
}

/* Adds to `outcome` what this container is: the worst counts. */
static void judge(struct deploy *deploy, const cJSON *workload, const cJSON *status, cJSON *report)
{
    const char *state = json_string(status, "state"), *why = json_string(status, "reason");
    const char *restart = json_string(json_member(workload, "data"), "restart");
    bool ends_for_good = restart && strcmp(restart, "always") != 0;
    enum deploy_outcome outcome;

    if (!state)
        state = "Unknown";
    if (!strcmp(state, "Running"))
        outcome = DEPLOY_UP;
    else if (!strcmp(state, "Success") && ends_for_good)
        outcome = DEPLOY_UP;
    else if ((!strncmp(state, "Error", 5) && restart && !strcmp(restart, "never")) ||
             json_integer(status, "restarts") >= RESTARTS_MAX)
        outcome = DEPLOY_BROKEN;
    else
        outcome = DEPLOY_WAITING;
    cJSON_AddStringToObject(report, "state",
                            outcome == DEPLOY_BROKEN    ? "failed"
                            : outcome == DEPLOY_WAITING ? "deploying"
                            : !strcmp(state, "Running") ? "running"
                                                        : "stopped");
    cJSON_AddStringToObject(report, "message",
                            outcome == DEPLOY_UP && !strcmp(state, "Running") ? ""
                            : why                                             ? why
                                                                              : state);
    if (outcome != DEPLOY_UP)
        reason_refuse(&deploy->reason, json_string(workload, "name"), "%s: %s",
                      outcome == DEPLOY_BROKEN ? "the container keeps ending" : "the container isn't up",
                      why ? why : state);
    if (outcome > deploy->outcome)
        deploy->outcome = outcome;
}

static int watch_one(struct deploy *deploy, const cJSON *workload, size_t output_max, cJSON *report)
{
    cleanup_json cJSON *status = NULL;
    char service[PLAN_NAME_BYTES];
    int r;

    plan_service_name(deploy->id, json_string(workload, "name"), service);
    r = call("zinit", "service_status", call_name(service), CALL_MS, &status, NULL, &deploy->reason);
    if (r != 0)
        return r;
    deploy->stamp = (deploy->stamp ^ (uint64_t)json_integer(status, "pid")) * FNV_PRIME;
    judge(deploy, workload, status, report);
    add_output(report, service, output_max);
    return 0;
}

int watch_containers(struct deploy *deploy)
{
    const cJSON *workload;
    size_t containers = 0, output_max;
    int r = 0;

    cJSON_Delete(deploy->reports);
    deploy->reports = cJSON_CreateArray();
    deploy->outcome = DEPLOY_UP;
    deploy->stamp = 0;
    cJSON_ArrayForEach(workload, deploy->workloads)
        containers += !strcmp(json_string(workload, "type"), "container");
    if (containers)
        deploy->stamp = FNV_BASIS;
    output_max =
        containers * WATCH_OUTPUT_BYTES > WATCH_OUTPUTS_BYTES ? WATCH_OUTPUTS_BYTES / containers : WATCH_OUTPUT_BYTES;
    cJSON_ArrayForEach(workload, deploy->workloads) {
        cJSON *report = cJSON_CreateObject();
        cJSON_AddItemToArray(deploy->reports, report);
        cJSON_AddStringToObject(report, "name", json_string(workload, "name"));
        if (!strcmp(json_string(workload, "type"), "container")) {
            r = watch_one(deploy, workload, output_max, report);
            if (r != 0)
                return r;
        } else {
            cJSON_AddStringToObject(report, "state", "running");
        }
    }
    return 0;
}
