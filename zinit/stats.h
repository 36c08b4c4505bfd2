#pragma once

/* What a service uses: service_stats. */

#include "lib/rpc.h"

#include <sys/types.h>

#define STATS_PROCESSES_MAX 1024 /* that are listed; the total counts all */

/* The method. {name, pid, memory_usage, cpu_usage, cpu_time_ms, children[], total}: of its main process, of each other
 * process in the service, and of all together. memory_usage is resident bytes; the total's, with a control group, what
 * the kernel accounts to it (memory.current), files that are cached included. cpu_usage is a percentage of all CPUs
 * together since the process began; cpu_time_ms lets a caller that looks twice tell it for the time between. */
void stats_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error);

/* One process, by /proc/PID/stat (proc_pid_stat(5)). */
struct stats_process {
    pid_t pid, parent, group;
    uint64_t cpu_ms, began_ms; /* since boot */
    uint64_t memory_bytes;
};

/* Reads the text of such a file. False when it isn't one. */
bool stats_parse(const char *text, struct stats_process *ret_process);
