/* Which processes are the service's tells its control group; where there is none, they are the descendants of its main
 * process and that one's process group. Nothing is kept between two looks. */

#include "zinit/stats.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "zinit/api.h"
#include "zinit/cgroup.h"
#include "zinit/supervisor.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STAT_BYTES_MAX 2048
#define DEPTH_MAX 8 /* of groups within a service's, as cgroup.c clears them away */

struct list {
    struct stats_process *all;
    size_t count, room;
};

/* ---- one process */

bool stats_parse(const char *text, struct stats_process *ret_process)
{
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
    int pid, parent, group;
    uint64_t user, system, began;
    int64_t pages;
    uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK);

    if (!rest || sscanf(text, "%d", &pid) != 1 ||
        sscanf(rest,
               ") %*c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %*d %*d %*d %*d %*d %*d %" SCNu64
               " %*u %" SCNd64,
               &parent, &group, &user, &system, &began, &pages) != 6)
        return false;
    *ret_process =
        (struct stats_process){ .pid = pid,
                                .parent = parent,
                                .group = group,
                                .cpu_ms = (user + system) * tick_ms,
                                .began_ms = began * tick_ms,
                                .memory_bytes = (uint64_t)(pages < 0 ? 0 : pages) * (uint64_t)sysconf(_SC_PAGESIZE) };
    return true;
}

static bool read_process(pid_t pid, struct stats_process *ret_process)
{
    char path[64];
    cleanup_free char *text = NULL;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return file_read(path, STAT_BYTES_MAX, &text, NULL) == 0 && stats_parse(text, ret_process);
}

/* A process that is gone meanwhile is passed over; so is one for which there is no memory. */
static void add_process(struct list *list, pid_t pid)
{
    struct stats_process process, *grown;

    if (!read_process(pid, &process))
        return;
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        grown = realloc(list->all, room * sizeof *grown);
        if (!grown)
            return;
        list->all = grown;
        list->room = room;
    }
    list->all[list->count++] = process;
}

/* ---- which are the service's */

static void add_group(struct list *list, const char *path, int depth)
{
    char inner[512];
    cleanup_free char *text = NULL;
    DIR *group = depth > 0 ? opendir(path) : NULL;
    struct dirent *entry;

    snprintf(inner, sizeof inner, "%s/cgroup.procs", path);
    if (file_read(inner, 65536, &text, NULL) == 0)
        for (char *at = text, *end; *at; at = end) {
            long pid = strtol(at, &end, 10);
            if (end == at)
                break;
            add_process(list, (pid_t)pid);
        }
    while (group && (entry = readdir(group)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
            (size_t)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < sizeof inner)
            add_group(list, inner, depth - 1);
    if (group)
        closedir(group);
}

static bool has(const struct list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->all[i].pid == pid)
            return true;
    return false;
}

static void add_all(struct list *list)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    while (proc && (entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            add_process(list, (pid_t)strtol(entry->d_name, NULL, 10));
    if (proc)
        closedir(proc);
}

/* Moves those of `all` that belong to `pid` to its front, until no more is found. */
static void keep_family(struct list *all, pid_t pid)
{
    struct list family = { .all = all->all };
    bool found = true;

    while (found) {
        found = false;
        for (size_t i = family.count; i < all->count; i++) {
            struct stats_process process = all->all[i];
            if (process.pid != pid && process.group != pid && !has(&family, process.parent))
                continue;
            all->all[i] = all->all[family.count];
            all->all[family.count++] = process;
            found = true;
        }
    }
    all->count = family.count;
}

static void find_processes(const struct service *service, struct list *list)
{
    char path[256];

    snprintf(path, sizeof path, CGROUP_ZINIT "/%.127s", service->unit.name);
    add_group(list, path, DEPTH_MAX);
    if (has(list, service->pid))
        return;
    list->count = 0;
    add_all(list);
    keep_family(list, service->pid);
}

/* ---- the answer */

/* Since the system's boot, suspended time included, as /proc tells a process's begin. */
static uint64_t boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Rounded to hundredths. */
static double percentage(uint64_t cpu_ms, uint64_t began_ms)
{
    uint64_t now_ms = boot_ms(), age_ms = now_ms > began_ms ? now_ms - began_ms : 1;
    uint64_t hundredths = cpu_ms * 10000 / (age_ms * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));

    return hundredths > 10000 ? 100 : (double)hundredths / 100;
}

static void describe(cJSON *object, uint64_t memory_bytes, uint64_t cpu_ms, uint64_t began_ms)
{
    json_add_integer(object, "memory_usage", (int64_t)memory_bytes);
    cJSON_AddNumberToObject(object, "cpu_usage", percentage(cpu_ms, began_ms));
    json_add_integer(object, "cpu_time_ms", (int64_t)cpu_ms);
}

/* What the service's control group counts, its ended processes included; `otherwise` without one. */
static uint64_t read_group(const struct service *service, const char *file, const char *key, uint64_t otherwise)
{
    char path[256];
    cleanup_free char *text = NULL;
    const char *found;

    snprintf(path, sizeof path, CGROUP_ZINIT "/%.127s/%s", service->unit.name, file);
    if (service->supervisor->container || file_read(path, 4096, &text, NULL))
        return otherwise;
    found = strstr(text, key);
    return found ? strtoull(found + strlen(key), NULL, 10) : otherwise;
}

static void add_total(cJSON *answer, const struct service *service, const struct list *list, uint64_t began_ms)
{
    cJSON *total = cJSON_AddObjectToObject(answer, "total");
    uint64_t memory_bytes = 0, cpu_ms = 0;

    for (size_t i = 0; i < list->count; i++) {
        memory_bytes += list->all[i].memory_bytes;
        cpu_ms += list->all[i].cpu_ms;
    }
    memory_bytes = read_group(service, "memory.current", "", memory_bytes);
    cpu_ms = read_group(service, "cpu.stat", "usage_usec ", cpu_ms * 1000) / 1000;
    describe(total, memory_bytes, cpu_ms, began_ms);
    json_add_integer(total, "processes", (int64_t)list->count);
}

void stats_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct service *service = api_find(context, params, ret_error);
    struct stats_process main_process;
    struct list list = { 0 };
    cJSON *children;

    if (!service)
        return;
    if (service->pid == 0 || !read_process(service->pid, &main_process)) {
        api_fail(ret_error, API_DOWN, "Service is down", "service \"%s\" is down", service->unit.name);
        return;
    }
    find_processes(service, &list);
    *ret_result = cJSON_CreateObject();
    cJSON_AddStringToObject(*ret_result, "name", service->unit.name);
    json_add_integer(*ret_result, "pid", service->pid);
    describe(*ret_result, main_process.memory_bytes, main_process.cpu_ms, main_process.began_ms);
    children = cJSON_AddArrayToObject(*ret_result, "children");
    for (size_t i = 0; i < list.count && i <= STATS_PROCESSES_MAX; i++) {
        const struct stats_process *process = &list.all[i];
        cJSON *child = process->pid == service->pid ? NULL : cJSON_CreateObject();
        if (!child || !cJSON_AddItemToArray(children, child))
            continue;
        json_add_integer(child, "pid", process->pid);
        describe(child, process->memory_bytes, process->cpu_ms, process->began_ms);
    }
    add_total(*ret_result, service, &list, main_process.began_ms);
    free(list.all);
}
