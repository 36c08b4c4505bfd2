/* Driving the table of machine.c: events in, actions out. A service's processes live in a control group of its name;
 * when its main process ends, what it left behind there is killed, so that nothing of it is there without being known.
 */

#include "zinit/service.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "zinit/after.h"
#include "zinit/cgroup.h"
#include "zinit/signals.h"
#include "zinit/spawn.h"
#include "zinit/supervisor.h"
#include "zinit/test.h"
#include "zinit/words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SWEEP_MS 100
#define LIMITED_OOM_SCORE 500 /* what has a memory limit (a container) goes before the node's daemons */
#define SWEEP_SLOW_MS 5000
#define SWEEPS_FAST 50
#define NO_EVENT AFTER_WAIT

const char *service_state_name(const struct service *service)
{
    return machine_state_name(service->state, service->good);
}

bool service_is_there(const struct service *service)
{
    if (service->unit.oneshot)
        return service->state == MACHINE_SUCCESS;
    return service->state == MACHINE_RUNNING || service->state == MACHINE_SUCCESS;
}

bool service_is_well(const struct service *service)
{
    bool stable = service->pid && loop_now_ms() - service->started_ms >= MACHINE_STABLE_MS;

    if (machine_is_crash_loop(service->failures) && !stable)
        return false;
    if (!machine_wanted_up(service->state))
        return service->told || service->state == MACHINE_SUCCESS || service->state == MACHINE_UNKNOWN;
    return service_is_there(service);
}

/* ---- readiness */

static void on_ready_fd(struct loop_source *source, uint32_t events)
{
    struct service *service = source->context;
    char bytes[64];
    ssize_t size = read(source->fd, bytes, sizeof bytes);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size > 0 && !memchr(bytes, '\n', (size_t)size))
        return;
    loop_remove(&service->supervisor->loop, source);
    if (size > 0)
        service_feed(service, MACHINE_READY);
    else /* it ends, as its exit will tell, or is never ready */
        snprintf(service->reason, sizeof service->reason, "closed its readiness descriptor without a newline");
}

static int open_ready(struct service *service, int *ret_fd)
{
    int ends[2], error;

    if (service->unit.ready != UNIT_READY_FD)
        return 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    service->ready.fd = ends[0];
    error = loop_add(&service->supervisor->loop, &service->ready, EPOLLIN);
    if (error) {
        close(ends[1]);
        loop_remove(&service->supervisor->loop, &service->ready);
        return error;
    }
    *ret_fd = ends[1];
    return 0;
}

/* ---- starting */

/* Whether the list sets the same variable as this "NAME=value". */
static bool has_variable(char *const *list, const char *variable)
{
    size_t size = strcspn(variable, "=") + 1;

    for (; list && *list; list++)
        if (strncmp(*list, variable, size) == 0)
            return true;
    return false;
}

char **service_env(const struct service *service, bool ready)
{
    char **base = service->supervisor->env, **own = service->unit.env;
    size_t count = 0;
    char **env = calloc(words_count(base) + words_count(own) + 2, sizeof *env);
    static char ready_variable[] = "ZINIT_READY_FD=3";

    _Static_assert(SPAWN_READY_FD == 3, "the text above says so");
    if (!env)
        return NULL;
    for (; base && *base; base++)
        if (!has_variable(own, *base))
            env[count++] = *base;
    for (; own && *own; own++)
        env[count++] = *own;
    if (ready)
        env[count++] = ready_variable;
    return env;
}

static int open_output(struct service *service, int *ret_fd)
{
    return service->unit.log == UNIT_LOG_NONE ? 0 : logs_attach(&service->log, ret_fd);
}

static int spawn_main(struct service *service, int *ret_error)
{
    cleanup_close int output = -1, ready = -1, group = -1;
    cleanup_free char **env = service_env(service, service->unit.ready == UNIT_READY_FD);
    int result = env ? 0 : -ENOMEM;

    if (!result)
        result = open_output(service, &output);
    if (!result)
        result = open_ready(service, &ready);
    if (!result)
        result = cgroup_open(service->unit.name, &service->unit.limits, &group);
    if (result)
        return result;
    service->oom_kills = cgroup_oom_kills(service->unit.name);
    result = spawn_process(&(struct spawn){ .argv = service->unit.exec,
                                            .env = env,
                                            .dir = service->unit.dir,
                                            .output_fd = output,
                                            .ready_fd = ready,
                                            .cgroup_fd = group,
                                            .oom_score = service->unit.limits.memory_bytes ? LIMITED_OOM_SCORE : 0 },
                           &service->pid, ret_error);
    if (result == 0)
        children_await(&service->supervisor->children, &service->process, service->pid);
    return result;
}

/* The process is gone, or never came: what was opened for it goes too. */
static void tidy(struct service *service)
{
    service->pid = 0;
    loop_remove(&service->supervisor->loop, &service->ready);
    test_end(service);
    cgroup_kill(service->unit.name);
    logs_detach(&service->log);
    service->sweeps = 0;
    if (cgroup_remove(service->unit.name) < 0)
        loop_arm(&service->supervisor->loop, &service->sweep, SWEEP_MS);
}

static void on_sweep(struct loop_timer *timer)
{
    struct service *service = timer->context;

    if (service->pid == 0 && cgroup_remove(service->unit.name) < 0) {
        cgroup_kill(service->unit.name);
        if (++service->sweeps == SWEEPS_FAST)
            log_warning("%s: some of its processes can't be killed", service->unit.name);
        loop_arm(&service->supervisor->loop, timer, service->sweeps < SWEEPS_FAST ? SWEEP_MS : SWEEP_SLOW_MS);
    }
}

bool service_lingers(const struct service *service)
{
    return service->sweep.armed && cgroup_remove(service->unit.name) < 0;
}

static enum machine_event spawn(struct service *service)
{
    int error = 0, result;

    loop_disarm(&service->supervisor->loop, &service->sweep);
    if (service->started)
        service->restarts++;
    service->started = true;
    service->started_ms = loop_now_ms();
    result = spawn_main(service, &error);
    if (result == 0) {
        service->reason[0] = '\0';
        cgroup_limit_cpu(service->unit.name, service->unit.limits.cpu_milli);
        log_debug("%s: started, pid %d", service->unit.name, (int)service->pid);
        return MACHINE_HATCH;
    }
    tidy(service);
    service->good = false;
    snprintf(service->reason, sizeof service->reason, "%s %.128s: %s",
             result == SPAWN_NEVER ? "can't execute" : "can't start now", service->unit.exec[0],
             strerror(result == SPAWN_NEVER ? error : -result));
    log_error("%s: %s", service->unit.name, service->reason);
    return result == SPAWN_NEVER ? MACHINE_SPAWN_NEVER : MACHINE_SPAWN_LATER;
}

/* ---- ending */

int service_signal(struct service *service, int number)
{
    if (service->pid == 0)
        return -ESRCH;
    return kill(service->pid, number) < 0 ? -errno : 0;
}

void service_kill(struct service *service)
{
    if (!cgroup_kill(service->unit.name) && service->pid > 0)
        kill(-service->pid, SIGKILL);
    if (service->pid > 0)
        kill(service->pid, SIGKILL);
}

static void on_timer(struct loop_timer *timer)
{
    struct service *service = timer->context;

    service_feed(service, service->state == MACHINE_WAITING ? MACHINE_DELAY_OVER : MACHINE_STOP_LATE);
}

static void delay(struct service *service)
{
    uint64_t wait_ms;

    if (loop_now_ms() - service->started_ms >= MACHINE_STABLE_MS)
        service->failures = 0;
    wait_ms = machine_delay_ms(service->failures++);
    if (wait_ms > 0)
        log_info("%s: is started again in %u ms", service->unit.name, (unsigned)wait_ms);
    loop_arm(&service->supervisor->loop, &service->timer, wait_ms);
}

static void describe_exit(struct service *service, const siginfo_t *info)
{
    size_t size = sizeof service->reason;

    if (info->si_code == CLD_EXITED)
        snprintf(service->reason, size, "exited with code %d", info->si_status);
    else if (cgroup_oom_kills(service->unit.name) > service->oom_kills)
        snprintf(service->reason, size, "killed by the kernel: out of memory within its limit");
    else
        snprintf(service->reason, size, "killed by %s%s", signals_name(info->si_status),
                 info->si_code == CLD_DUMPED ? ", core dumped" : "");
}

static void on_process_end(struct child *child, const siginfo_t *info)
{
    struct service *service = child->context;
    bool told = service->state == MACHINE_STOPPING || service->state == MACHINE_REPLACING;
    enum machine_event event;

    service->told = told;
    service->good =
        info->si_code == CLD_EXITED ? info->si_status == 0 : told && info->si_status == service->unit.stop_signal;
    describe_exit(service, info);
    tidy(service);
    if (service->good || told)
        log_info("%s: %s", service->unit.name, service->reason);
    else
        log_warning("%s: %s", service->unit.name, service->reason);
    event = machine_exit_event(service->unit.restart, service->unit.oneshot, service->state, service->good);
    service_feed(service, event);
}

/* ---- the driver */

/* The stop's time-out runs on between these two. */
static bool is_ending(enum machine_state state)
{
    return state == MACHINE_STOPPING || state == MACHINE_REPLACING;
}

/* Does an action; the event that comes of it at once, or NO_EVENT. */
static enum machine_event act(struct service *service, enum machine_action action)
{
    struct loop *loop = &service->supervisor->loop;

    switch (action) {
    case MACHINE_NOTHING:
        break;
    case MACHINE_CHECK:
        return after_check(service);
    case MACHINE_SPAWN:
        return spawn(service);
    case MACHINE_SIGNAL:
        service_signal(service, service->unit.stop_signal);
        loop_arm(loop, &service->timer, service->unit.shutdown_timeout_ms);
        break;
    case MACHINE_KILL:
        log_warning("%s: didn't end in time, is killed", service->unit.name);
        service_kill(service);
        break;
    case MACHINE_DELAY:
        delay(service);
        break;
    }
    return NO_EVENT;
}

/* What follows from having entered a state by itself. */
static enum machine_event enter(struct service *service, enum machine_state before)
{
    if (service->state != MACHINE_SPAWNED || before == MACHINE_SPAWNED)
        return NO_EVENT;
    if (service->unit.test)
        test_begin(service);
    return service->unit.test || service->unit.ready == UNIT_READY_FD ? NO_EVENT : MACHINE_READY;
}

void service_feed(struct service *service, enum machine_event event)
{
    struct supervisor *supervisor = service->supervisor;

    supervisor->depth++;
    while (event != NO_EVENT) {
        enum machine_state before = service->state;
        struct machine_step step = machine_next(before, event);
        service->state = step.state;
        if (step.state != before) {
            after_leave(service);
            after_wake(service);
        }
        if (step.state != before && !(is_ending(step.state) && is_ending(before)))
            loop_disarm(&supervisor->loop, &service->timer);
        event = act(service, step.action);
        if (event == NO_EVENT)
            event = enter(service, before);
    }
    if (--supervisor->depth == 0)
        supervisor_settle(supervisor);
}

void service_check(struct service *service)
{
    service_feed(service, after_check(service));
}

void service_start(struct service *service)
{
    service->failures = 0;
    service_feed(service, MACHINE_START);
}

void service_stop(struct service *service)
{
    service_feed(service, MACHINE_STOP);
}

struct service *service_new(struct supervisor *supervisor, struct unit *unit)
{
    struct service *service = calloc(1, sizeof *service);

    if (!service)
        return NULL;
    service->supervisor = supervisor;
    service->unit = *unit;
    *unit = (struct unit){ 0 };
    service->process = (struct child){ .on_end = on_process_end, .context = service };
    service->ready = (struct loop_source){ .fd = -1, .on_event = on_ready_fd, .context = service };
    service->timer = (struct loop_timer){ .on_fire = on_timer, .context = service };
    service->sweep = (struct loop_timer){ .on_fire = on_sweep, .context = service };
    logs_open(&service->log, service->unit.name, &supervisor->logs);
    service->log.plain = service->unit.log == UNIT_LOG_STDOUT;
    test_open(service);
    return service;
}

void service_free(struct service *service)
{
    struct loop *loop = &service->supervisor->loop;

    after_leave(service);
    after_wake(service);
    children_leave(&service->supervisor->children, &service->process);
    loop_remove(loop, &service->ready);
    loop_disarm(loop, &service->timer);
    loop_disarm(loop, &service->sweep);
    test_end(service);
    logs_close(&service->log);
    cgroup_remove(service->unit.name);
    unit_close(&service->unit);
    free(service);
}
