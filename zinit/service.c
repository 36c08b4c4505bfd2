/* Driving the table of machine.c: events in, actions out. A service's processes live in a control group of its name;
 * when its main process ends, what it left behind there is killed, so that nothing of it is there without being known.
 */

#include "zinit/service.h"

#include "lib/log.h"
#include "zinit/after.h"
#include "zinit/kin.h"
#include "zinit/launch.h"
#include "zinit/probe.h"
#include "zinit/signals.h"
#include "zinit/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SWEEP_MS 100
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

bool service_is_crash_loop(const struct service *service)
{
    bool stable = service->pid && loop_now_ms() - service->started_ms >= MACHINE_STABLE_MS;

    return machine_is_crash_loop(service->failures) && !stable;
}

int64_t service_next_start_ms(const struct service *service)
{
    return service->state == MACHINE_WAITING ? loop_left_ms(&service->timer) : -1;
}

bool service_is_well(const struct service *service)
{
    if (service_is_crash_loop(service))
        return false;
    if (!machine_wanted_up(service->state))
        return service->told || service->state == MACHINE_SUCCESS || service->state == MACHINE_UNKNOWN;
    return service_is_there(service);
}

/* ---- starting */

/* The process is gone, or never came: what was opened for it goes too. */
static void tidy(struct service *service)
{
    service->pid = 0;
    loop_remove(&service->supervisor->loop, &service->ready);
    probe_end(service);
    logs_detach(&service->log);
    service->sweeps = 0;
    if (kin_kill(service))
        loop_arm(&service->supervisor->loop, &service->sweep, SWEEP_MS);
}

static void on_sweep(struct loop_timer *timer)
{
    struct service *service = timer->context;

    if (service->pid != 0 || !kin_kill(service))
        return;
    if (++service->sweeps == SWEEPS_FAST)
        log_warning("%s: some of its processes can't be killed", service->unit.name);
    loop_arm(&service->supervisor->loop, timer, service->sweeps < SWEEPS_FAST ? SWEEP_MS : SWEEP_SLOW_MS);
}

bool service_lingers(struct service *service)
{
    return service->sweep.armed && kin_linger(service);
}

static enum machine_event spawn(struct service *service)
{
    int result;

    loop_disarm(&service->supervisor->loop, &service->sweep);
    if (service->started)
        service->restarts++;
    service->started = true;
    service->started_ms = loop_now_ms();
    service->was_healthy = false;
    service->killed_ms = 0;
    service->reason[0] = '\0';
    result = launch_main(service, service->reason, sizeof service->reason);
    if (result == 0) {
        service->session = service->pid;
        cgroup_limit_cpu(service->unit.name, service->unit.limits.cpu_milli);
        log_debug("%s: started, pid %d", service->unit.name, (int)service->pid);
        return MACHINE_HATCH;
    }
    tidy(service);
    service->good = false;
    service->exit.unhealthy = false;
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
    kin_kill_all(service);
}

static void on_timer(struct loop_timer *timer)
{
    struct service *service = timer->context;

    service_feed(service, service->state == MACHINE_WAITING ? MACHINE_DELAY_OVER : MACHINE_STOP_LATE);
}

static void delay(struct service *service)
{
    uint64_t wait_ms;

    /* what hangs from its beginning isn't stable, however long it takes to see that */
    if (loop_now_ms() - service->started_ms >= MACHINE_STABLE_MS && (!service->exit.unhealthy || service->was_healthy))
        service->failures = 0;
    wait_ms = machine_delay_ms(service->failures++);
    if (wait_ms > 0)
        log_info("%s: is started again in %u ms", service->unit.name, (unsigned)wait_ms);
    loop_arm(&service->supervisor->loop, &service->timer, wait_ms);
}

static struct service_exit judge_exit(const struct service *service, const siginfo_t *info)
{
    struct service_exit exit = { SERVICE_EXIT_SIGNAL, info->si_status, service->state == MACHINE_HEALING };
    struct cgroup_ooms ooms = cgroup_ooms(service->unit.name);

    if (info->si_code == CLD_EXITED)
        exit.kind = SERVICE_EXIT_CODE;
    else if (ooms.kills > service->ooms.kills)
        exit.kind = ooms.limit > service->ooms.limit ? SERVICE_EXIT_LIMIT : SERVICE_EXIT_MACHINE;
    return exit;
}

void service_exit_text(const struct service_exit *exit, char *text, size_t size)
{
    switch (exit->kind) {
    case SERVICE_EXIT_NONE:
        snprintf(text, size, "%s", "");
        break;
    case SERVICE_EXIT_CODE:
        snprintf(text, size, "exited with code %d", exit->number);
        break;
    case SERVICE_EXIT_SIGNAL:
        snprintf(text, size, "killed by %s", signals_name(exit->number));
        break;
    case SERVICE_EXIT_LIMIT:
        snprintf(text, size, "killed by the kernel: out of memory within its limit");
        break;
    case SERVICE_EXIT_MACHINE:
        snprintf(text, size, "killed by the kernel: the machine is out of memory");
        break;
    }
}

/* What is known already of why it was ended stays before how it ended. */
static void describe_exit(struct service *service)
{
    char text[80], before[170] = "";

    service_exit_text(&service->exit, text, sizeof text);
    if (service->exit.unhealthy)
        snprintf(before, sizeof before, "%.167s; ", service->reason);
    snprintf(service->reason, sizeof service->reason, "%s%s", before, text);
}

static void on_process_end(struct child *child, const siginfo_t *info)
{
    struct service *service = child->context;
    enum machine_state state = service->state;
    bool told = state == MACHINE_STOPPING || state == MACHINE_REPLACING;
    bool well =
        info->si_code == CLD_EXITED ? info->si_status == 0 : told && info->si_status == service->unit.stop_signal;

    service->exit = judge_exit(service, info);
    service->good = well && !service->exit.unhealthy;
    describe_exit(service);
    tidy(service);
    if (service->good || told)
        log_info("%s: %s", service->unit.name, service->reason);
    else
        log_warning("%s: %s", service->unit.name, service->reason);
    service_feed(service, machine_exit_event(service->unit.restart, service->unit.oneshot, state, service->good));
}

/* ---- the driver */

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
        service->killed_ms = loop_now_ms();
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
    if (service->state == before)
        return NO_EVENT;
    if (service->state == MACHINE_SPAWNED && !service->unit.test && service->unit.ready == UNIT_READY_BORN)
        return MACHINE_READY;
    if (service->state == MACHINE_SPAWNED || service->state == MACHINE_RUNNING)
        probe_begin(service);
    return NO_EVENT;
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
        if (step.state != before && !(machine_is_ending(step.state) && machine_is_ending(before)))
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
    service->told = false;
    service_feed(service, MACHINE_START);
}

void service_stop(struct service *service)
{
    service->told = true;
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
    service->ready = (struct loop_source){ .fd = -1, .context = service };
    service->timer = (struct loop_timer){ .on_fire = on_timer, .context = service };
    service->sweep = (struct loop_timer){ .on_fire = on_sweep, .context = service };
    logs_open(&service->log, service->unit.name, &supervisor->logs);
    service->log.plain = service->unit.log == UNIT_LOG_STDOUT;
    probe_open(service);
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
    probe_end(service);
    logs_close(&service->log);
    cgroup_remove(service->unit.name);
    unit_close(&service->unit);
    free(service);
}
