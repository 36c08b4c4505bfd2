/* Tests: one process at a time, in the service's control group, killed when it takes too long. */

#include "zinit/test.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "zinit/cgroup.h"
#include "zinit/spawn.h"
#include "zinit/supervisor.h"

#include <errno.h>
#include <string.h>

#define TEST_EVERY_MS 500
#define TEST_TIMEOUT_MS 10000

static bool is_wanted(const struct service *service)
{
    return service->state == MACHINE_SPAWNED || service->state == MACHINE_TEST_FAILURE;
}

static int spawn_test(struct service *service, int *ret_error)
{
    cleanup_free char **env = service_env(service, false);
    cleanup_close int group = -1;
    int result = env ? cgroup_open(service->unit.name, &service->unit.limits, &group) : -ENOMEM;

    if (result)
        return result;
    result = spawn_process(&(struct spawn){ .argv = service->unit.test,
                                            .env = env,
                                            .dir = service->unit.dir,
                                            .output_fd = -1,
                                            .ready_fd = -1,
                                            .cgroup_fd = group },
                           &service->test_pid, ret_error);
    if (result == 0)
        children_await(&service->supervisor->children, &service->test_process, service->test_pid);
    return result;
}

void test_begin(struct service *service)
{
    int error = 0, result = spawn_test(service, &error);

    loop_arm(&service->supervisor->loop, &service->test_timer, result ? TEST_EVERY_MS : TEST_TIMEOUT_MS);
    if (result == 0)
        return;
    snprintf(service->reason, sizeof service->reason, "can't execute its test %.128s: %s", service->unit.test[0],
             strerror(result == SPAWN_NEVER ? error : -result));
    if (service->state != MACHINE_TEST_FAILURE)
        log_error("%s: %s", service->unit.name, service->reason);
    service_feed(service, MACHINE_TEST_FAILED);
}

static void on_test_timer(struct loop_timer *timer)
{
    struct service *service = timer->context;

    if (service->test_pid > 0)
        kill(-service->test_pid, SIGKILL);
    else if (is_wanted(service))
        test_begin(service);
}

static void on_test_end(struct child *child, const siginfo_t *info)
{
    struct service *service = child->context;
    bool good = info->si_code == CLD_EXITED && info->si_status == 0;

    service->test_pid = 0;
    loop_disarm(&service->supervisor->loop, &service->test_timer);
    if (!is_wanted(service))
        return;
    if (!good)
        loop_arm(&service->supervisor->loop, &service->test_timer, TEST_EVERY_MS);
    service_feed(service, good ? MACHINE_READY : MACHINE_TEST_FAILED);
}

void test_open(struct service *service)
{
    service->test_process = (struct child){ .on_end = on_test_end, .context = service };
    service->test_timer = (struct loop_timer){ .on_fire = on_test_timer, .context = service };
}

void test_end(struct service *service)
{
    loop_disarm(&service->supervisor->loop, &service->test_timer);
    if (service->test_pid > 0)
        kill(-service->test_pid, SIGKILL);
    children_leave(&service->supervisor->children, &service->test_process);
    service->test_pid = 0;
}
