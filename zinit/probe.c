/* Probes: one process at a time, in the service's control group and confined as it is, killed when it takes too long.
 * A test is wanted before the service is ready and a health check afterwards, so that they share everything. */

#include "zinit/probe.h"

#include "lib/log.h"
#include "zinit/launch.h"
#include "zinit/signals.h"
#include "zinit/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEST_EVERY_MS 500
#define TEST_TIMEOUT_MS 10000

/* ---- what is wanted now */

static bool is_tested(const struct service *service)
{
    return service->unit.test && (service->state == MACHINE_SPAWNED || service->state == MACHINE_TEST_FAILURE);
}

static bool is_watched(const struct service *service)
{
    return service->unit.health.exec && service->state == MACHINE_RUNNING;
}

static void arm(struct service *service, uint64_t delay_ms)
{
    loop_arm(&service->supervisor->loop, &service->probe_timer, delay_ms);
}

/* ---- verdicts */

static void on_failure(struct service *service, const char *why)
{
    const struct unit_health *health = &service->unit.health;

    if (is_tested(service)) {
        snprintf(service->reason, sizeof service->reason, "test failed: %.200s", why);
        service_feed(service, MACHINE_TEST_FAILED);
    } else if (++service->unhealthy < health->failures) {
        log_info("%s: health check failed, %u of %u: %s", service->unit.name, service->unhealthy, health->failures,
                 why);
    } else {
        snprintf(service->reason, sizeof service->reason, "health check failed %u time%s: %.160s", service->unhealthy,
                 service->unhealthy == 1 ? "" : "s", why);
        log_warning("%s: %s", service->unit.name, service->reason);
        service_feed(service, MACHINE_UNHEALTHY);
    }
}

static void on_success(struct service *service)
{
    if (is_tested(service)) {
        service_feed(service, MACHINE_READY);
        return;
    }
    service->unhealthy = 0;
    service->was_healthy = true;
}

/* A command that can't be executed says nothing of the service: told once, and tried again. */
static void on_no_process(struct service *service, const char *why)
{
    if (strcmp(service->reason, why) != 0)
        log_error("%s: %s", service->unit.name, why);
    snprintf(service->reason, sizeof service->reason, "%s", why);
    if (is_tested(service))
        service_feed(service, MACHINE_TEST_FAILED);
}

/* ---- the process */

static void begin_process(struct service *service)
{
    bool test = is_tested(service);
    char why[200], text[sizeof service->reason];

    service->probe_late = false;
    if (launch_probe(service, test ? service->unit.test : service->unit.health.exec, why, sizeof why)) {
        arm(service, test ? TEST_EVERY_MS : service->unit.health.every_ms);
        snprintf(text, sizeof text, "its %s: %s", test ? "test" : "health check", why);
        on_no_process(service, text);
    } else {
        arm(service, test ? TEST_TIMEOUT_MS : service->unit.health.every_ms);
    }
}

/* One that was killed and doesn't go, as in a read from a dead disk, is a failure at every turn. */
static void on_late(struct service *service)
{
    char why[64];
    unsigned limit_ms = is_tested(service) ? TEST_TIMEOUT_MS : service->unit.health.every_ms;

    service->probe_late = true;
    kill(-service->probe_pid, SIGKILL);
    arm(service, limit_ms);
    snprintf(why, sizeof why, "it took longer than %u s", limit_ms / 1000);
    on_failure(service, why);
}

static void on_probe_timer(struct loop_timer *timer)
{
    struct service *service = timer->context;

    if (!is_tested(service) && !is_watched(service))
        return;
    if (service->probe_pid > 0)
        on_late(service);
    else
        begin_process(service);
}

static void on_probe_end(struct child *child, const siginfo_t *info)
{
    struct service *service = child->context;
    bool late = service->probe_late;
    char why[64];

    service->probe_pid = 0;
    if (!is_tested(service) && !is_watched(service))
        return;
    arm(service, is_tested(service) ? TEST_EVERY_MS : service->unit.health.every_ms);
    if (late)
        return; /* it was told when it was killed */
    if (info->si_code == CLD_EXITED && info->si_status == 0) {
        on_success(service);
        return;
    }
    if (info->si_code == CLD_EXITED)
        snprintf(why, sizeof why, "exit code %d", info->si_status);
    else
        snprintf(why, sizeof why, "%s", signals_name(info->si_status));
    on_failure(service, why);
}

void probe_open(struct service *service)
{
    service->probe = (struct child){ .on_end = on_probe_end, .context = service };
    service->probe_timer = (struct loop_timer){ .on_fire = on_probe_timer, .context = service };
}

void probe_begin(struct service *service)
{
    service->unhealthy = 0;
    if (is_tested(service))
        begin_process(service);
    else if (is_watched(service))
        arm(service, service->unit.health.every_ms);
}

void probe_end(struct service *service)
{
    loop_disarm(&service->supervisor->loop, &service->probe_timer);
    if (service->probe_pid > 0)
        kill(-service->probe_pid, SIGKILL);
    children_leave(&service->supervisor->children, &service->probe);
    service->probe_pid = 0;
}
