/* Launching. A service's environment is the common one, its unit's in place of what has the same name there, and what
 * zinit tells it. */

#include "zinit/launch.h"

#include "lib/cleanup.h"
#include "zinit/cgroup.h"
#include "zinit/kin.h"
#include "zinit/ready.h"
#include "zinit/supervisor.h"
#include "zinit/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIMITED_OOM_SCORE 500 /* what has a memory limit (a container) goes before the node's daemons */
#define EXTRA_MAX 2

/* ---- environment */

/* Whether the list sets the same variable as this "NAME=value". */
static bool has_variable(char *const *list, const char *variable)
{
    size_t size = strcspn(variable, "=") + 1;

    for (; list && *list; list++)
        if (strncmp(*list, variable, size) == 0)
            return true;
    return false;
}

/* The array is the caller's, its strings aren't; NULL when memory is out. `extra` ends with NULL. */
static char **gather_env(const struct service *service, char *const *extra)
{
    char **base = service->supervisor->env, **own = service->unit.env;
    size_t count = 0;
    char **env = calloc(words_count(base) + words_count(own) + EXTRA_MAX + 1, sizeof *env);

    if (!env)
        return NULL;
    for (; *extra; extra++)
        env[count++] = *extra;
    for (; base && *base; base++)
        if (!has_variable(own, *base))
            env[count++] = *base;
    for (; own && *own; own++)
        env[count++] = *own;
    return env;
}

/* ---- processes */

static int start(struct service *service, struct spawn *spawn, const char *ready_variable, pid_t *ret_pid, char *why,
                 size_t size)
{
    char mark[sizeof KIN_VARIABLE + UNIT_NAME_BYTES_MAX];
    char *extra[EXTRA_MAX + 1] = { NULL };
    size_t extras = 0;
    cleanup_free char **env = NULL;
    struct spawn_failure failure;
    int result;

    snprintf(mark, sizeof mark, KIN_VARIABLE "=%s", service->unit.name);
    if (!cgroup_is_used())
        extra[extras++] = mark;
    if (*ready_variable)
        extra[extras++] = (char *)ready_variable;
    env = gather_env(service, extra);
    spawn->unit = &service->unit;
    spawn->env = env;
    result = env ? spawn_process(spawn, ret_pid, &failure) : -ENOMEM;
    if (result == 0)
        children_await(&service->supervisor->children, ret_pid == &service->pid ? &service->process : &service->probe,
                       *ret_pid);
    if (result == SPAWN_NEVER)
        confine_describe(&service->unit, spawn->argv[0], failure.step, failure.error, why, size);
    return result;
}

static void describe(int result, const char *program, char *why, size_t size)
{
    if (result < 0)
        snprintf(why, size, "can't start %.128s now: %s", program, strerror(-result));
}

int launch_main(struct service *service, char *why, size_t size)
{
    cleanup_close int output = -1, ready = -1, group = -1;
    char variable[READY_VARIABLE_BYTES] = "";
    int result = 0;

    if (service->unit.log != UNIT_LOG_NONE)
        result = logs_attach(&service->log, &output);
    if (!result)
        result = ready_open(service, &ready, variable);
    if (!result)
        result = cgroup_open(service->unit.name, &service->unit.limits, &group);
    if (!result) {
        service->ooms = cgroup_ooms(service->unit.name);
        result = start(service,
                       &(struct spawn){ .argv = service->unit.exec,
                                        .output_fd = output,
                                        .ready_fd = ready,
                                        .cgroup_fd = group,
                                        .oom_score = service->unit.limits.memory_bytes ? LIMITED_OOM_SCORE : 0 },
                       variable, &service->pid, why, size);
    }
    describe(result, service->unit.exec[0], why, size);
    return result;
}

/* In the service's group it would wait for a share of a CPU or a process that the service doesn't leave it, and zinit
 * with it until its program begins: so it comes in afterwards, which no limit holds up, with what it forked since. */
int launch_probe(struct service *service, char *const *argv, char *why, size_t size)
{
    cleanup_close int group = -1;
    int result = cgroup_open_antechamber(&group);

    if (!result)
        result = start(service, &(struct spawn){ .argv = argv, .output_fd = -1, .ready_fd = -1, .cgroup_fd = group },
                       "", &service->probe_pid, why, size);
    cgroup_settle(service->unit.name);
    describe(result, argv[0], why, size);
    return result;
}
