/* The supervisor: the list of services, signals, and the reaper. zinit's own log lines (lib/log writes to standard
 * error) go through a pipe back to itself, so that they are kept and shown as a service's are. */

#include "zinit/supervisor.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "zinit/after.h"
#include "zinit/cgroup.h"
#include "zinit/environment.h"
#include "zinit/shutdown.h"
#include "zinit/words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#define ENVIRONMENT_FILE "/etc/environment"
#define NOFILE_WANTED 524288 /* what others hand their services as a hard limit (systemd 240) */
#define NO_GROUPS                                                                                                      \
    "no control groups (v2): a service's processes are found by session and environment; limits of memory, CPU and "   \
    "processes aren't kept"
#define REAPED_AT_ONCE 64 /* a few ms, when each of them is a service's */

struct service *supervisor_find(struct supervisor *supervisor, const char *name)
{
    struct table_node *node = table_first(&supervisor->by_name, table_hash_text(name));

    for (; node; node = table_next(node)) {
        struct service *service = (struct service *)((char *)node - offsetof(struct service, by_name));
        if (strcmp(service->unit.name, name) == 0)
            return service;
    }
    return NULL;
}

/* ---- children */

void supervisor_reap(struct supervisor *supervisor)
{
    for (int i = 0; i < REAPED_AT_ONCE; i++) {
        siginfo_t info = { 0 };
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
            return;
        children_end(&supervisor->children, &info);
    }
    loop_arm(&supervisor->loop, &supervisor->reap_more, 0);
}

static void on_reap_more(struct loop_timer *timer)
{
    supervisor_reap(timer->context);
}

/* ---- signals */

static void on_signal(struct loop_source *source, uint32_t events)
{
    struct supervisor *supervisor = source->context;
    struct signalfd_siginfo info;

    if (read(source->fd, &info, sizeof info) != sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGCHLD:
        supervisor_reap(supervisor);
        break;
    case SIGINT: /* Ctrl-Alt-Del, since the kernel was told not to act on it itself */
        shutdown_begin(supervisor, supervisor->container ? SHUTDOWN_POWER_OFF : SHUTDOWN_REBOOT);
        break;
    case SIGTERM:
    case SIGPWR: /* a UPS at its end */
        shutdown_begin(supervisor, SHUTDOWN_POWER_OFF);
        break;
    default:
        break;
    }
}

static int open_signals(struct supervisor *supervisor)
{
    static const int numbers[] = { SIGCHLD, SIGINT, SIGTERM, SIGPWR, SIGHUP, SIGUSR1, SIGUSR2 };
    sigset_t set;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return log_fail(-errno, "signalfd");
    supervisor->signals = (struct loop_source){ .fd = fd, .on_event = on_signal, .context = supervisor };
    return loop_add(&supervisor->loop, &supervisor->signals, EPOLLIN);
}

/* ---- opening */

/* From here on lib/log's lines come back to us. A write that would block is dropped: nobody could empty the pipe
 * meanwhile. */
static void redirect_log(struct supervisor *supervisor)
{
    cleanup_close int writer = -1;

    logs_start(&supervisor->logs, &supervisor->loop, &supervisor->screen);
    logs_open(&supervisor->log, "zinit", &supervisor->logs);
    if (logs_attach(&supervisor->log, &writer) < 0)
        return;
    fcntl(writer, F_SETFL, O_NONBLOCK);
    dup3(writer, STDERR_FILENO, O_CLOEXEC);
}

/* As many descriptors as we may have: more than the kernel's default when we are root. */
static void raise_limits(void)
{
    struct rlimit limit = { NOFILE_WANTED, NOFILE_WANTED };

    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int supervisor_open(struct supervisor *supervisor, const char *dir, bool container)
{
    int error;

    *supervisor = (struct supervisor){
        .dir = dir, .container = container, .signals.fd = -1, .log.source.fd = -1, .watchdog.fd = -1
    };
    supervisor->reap_more = (struct loop_timer){ .on_fire = on_reap_more, .context = supervisor };
    error = loop_open(&supervisor->loop);
    if (error)
        return log_fail(error, "open the loop");
    screen_open(&supervisor->screen, &supervisor->loop, !container);
    error = open_signals(supervisor);
    if (error)
        return error;
    redirect_log(supervisor);
    raise_limits(); /* before the server counts on it */
    environment_read(ENVIRONMENT_FILE, container, &supervisor->env);
    if (container)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (container)
        log_info(NO_GROUPS);
    else if (!cgroup_open_all())
        log_warning(NO_GROUPS);
    return 0;
}

void supervisor_close(struct supervisor *supervisor)
{
    supervisor->depth++; /* nothing follows from it */
    while (supervisor->services)
        supervisor_remove(supervisor, supervisor->services);
    kernel_close(&supervisor->kernel);
    logs_close(&supervisor->log);
    screen_flush(&supervisor->screen);
    for (size_t i = 0; i < supervisor->screen.count; i++) {
        loop_remove(&supervisor->loop, &supervisor->screen.lines[i].source);
        free(supervisor->screen.lines[i].buffer);
    }
    loop_remove(&supervisor->loop, &supervisor->signals);
    loop_close(&supervisor->loop);
    words_free(supervisor->env);
    supervisor->env = NULL;
}

/* ---- services */

/* The first error is told by who asked for the unit. */
static void on_unit_tale(void *context, enum unit_tale tale, const char *text)
{
    if (tale == UNIT_WARNING)
        log_warning("%s", text);
}

static void append(struct supervisor *supervisor, struct service *service)
{
    service->previous = supervisor->last_service;
    *(service->previous ? &service->previous->next : &supervisor->services) = service;
    supervisor->last_service = service;
    table_add(&supervisor->by_name, &service->by_name, table_hash_text(service->unit.name));
    supervisor->generation++;
}

int supervisor_add(struct supervisor *supervisor, const char *name, struct service **ret_service, struct reason *reason)
{
    struct unit unit = { 0 };
    struct service *service;
    int result;

    if (supervisor_find(supervisor, name))
        return SUPERVISOR_KNOWN;
    result = unit_load(supervisor->dir, name, &unit, on_unit_tale, NULL, reason);
    if (result)
        return result;
    service = service_new(supervisor, &unit);
    if (!service) {
        unit_close(&unit);
        return -ENOMEM;
    }
    append(supervisor, service);
    *ret_service = service;
    return 0;
}

void supervisor_remove(struct supervisor *supervisor, struct service *service)
{
    *(service->previous ? &service->previous->next : &supervisor->services) = service->next;
    *(service->next ? &service->next->previous : &supervisor->last_service) = service->previous;
    table_remove(&supervisor->by_name, &service->by_name);
    supervisor->generation++;
    service_free(service);
    supervisor_settle(supervisor);
}

static void add_from_folder(struct supervisor *supervisor, const char *file)
{
    struct service *service;
    struct reason reason = { "" };
    cleanup_free char *name = strndup(file, strlen(file) - strlen(".yaml"));
    int result = name ? supervisor_add(supervisor, name, &service, &reason) : -ENOMEM;

    if (result == REFUSED)
        log_error("unit passed over: %s", reason.text);
    else if (result < 0)
        log_fail(result, "load unit %s", file);
}

static int is_unit(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return entry->d_name[0] != '.' && size > 5 && strcmp(entry->d_name + size - 5, ".yaml") == 0;
}

size_t supervisor_load(struct supervisor *supervisor)
{
    struct dirent **entries = NULL;
    int count = scandir(supervisor->dir, &entries, is_unit, alphasort);
    size_t services = 0;

    if (count < 0)
        log_fail(-errno, "read the units in %s", supervisor->dir);
    for (int i = 0; i < count; i++) {
        add_from_folder(supervisor, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    supervisor->depth++;
    for (struct service *service = supervisor->services; service; service = service->next, services++)
        service_start(service);
    supervisor->depth--;
    supervisor_settle(supervisor);
    return services;
}

/* Ends, since each that is looked at is due again only after another has moved on. */
void supervisor_settle(struct supervisor *supervisor)
{
    struct service *service;

    if (supervisor->settling || supervisor->depth > 0)
        return;
    supervisor->settling = true;
    if (supervisor->shutdown != SHUTDOWN_NONE)
        shutdown_step(supervisor);
    else
        while ((service = supervisor->due)) {
            after_leave(service);
            service_check(service);
        }
    supervisor->settling = false;
}
