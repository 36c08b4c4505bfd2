/* Shutting down: a service is told to stop once no service that comes after it has a process, so that independent ones
 * stop side by side. Each has its own time-out (machine.c), the whole has one too, and what may hang in the kernel
 * (syncing and unmounting, on a disk that doesn't answer) is done in a child that is waited for only so long. PID 1
 * itself makes no call that a disk could hold up. */

#include "zinit/shutdown.h"

#include "lib/log.h"
#include "zinit/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

/* The stages' bounds. README.md tells their sum. */
#define SHUTDOWN_MS 120000 /* all services together */
#define KILLED_MS 5000     /* of those: from SIGKILL until a process is given up */
#define COPY_MS 2000       /* the last lines are on the disk */
#define REAP_MS 3000       /* until killed processes are gone */
#define FORK_MS 1000       /* until there is memory for the child that unmounts */
#define UNMOUNT_MS 20000   /* sync and unmount */
#define FLUSH_MS 2000      /* the consoles take what waits, and some to spare */
#define ALL_MS (SHUTDOWN_MS + COPY_MS + REAP_MS + FORK_MS + UNMOUNT_MS + FLUSH_MS)
#define MOUNTS_MAX 512

/* Has it a process that still may end? One that SIGKILL didn't end hangs in the kernel (a disk that doesn't answer),
 * and nobody knows for how long. */
static bool is_alive(const struct service *service)
{
    return machine_has_process(service->state) &&
           !(service->killed_ms && loop_now_ms() - service->killed_ms >= KILLED_MS);
}

static void mark_needed(struct supervisor *supervisor)
{
    for (struct service *service = supervisor->services; service; service = service->next)
        service->needed = false;
    for (struct service *service = supervisor->services; service; service = service->next) {
        for (char **name = service->unit.after; is_alive(service) && name && *name; name++) {
            struct service *other = supervisor_find(supervisor, *name);
            if (other && other != service)
                other->needed = true;
        }
    }
}

void shutdown_step(struct supervisor *supervisor)
{
    bool alive = false;

    mark_needed(supervisor);
    for (struct service *service = supervisor->services; service; service = service->next) {
        if (machine_wanted_up(service->state) && !service->needed)
            service_stop(service);
        alive |= is_alive(service) || machine_wanted_up(service->state);
        if (is_alive(service) && service->killed_ms && !supervisor->shutdown_stuck.armed)
            loop_arm(&supervisor->loop, &supervisor->shutdown_stuck, KILLED_MS);
    }
    if (!alive)
        loop_end(&supervisor->loop);
}

static void on_stuck(struct loop_timer *timer)
{
    struct supervisor *supervisor = timer->context;

    for (struct service *service = supervisor->services; service; service = service->next)
        if (service->killed_ms && machine_has_process(service->state) && !is_alive(service))
            log_error("%s: its process %d can't be killed: going on without it", service->unit.name, service->pid);
    supervisor_settle(supervisor);
}

static void on_late(struct loop_timer *timer)
{
    struct supervisor *supervisor = timer->context;

    log_error("services take too long to stop: going on without them");
    loop_end(&supervisor->loop);
}

const char *shutdown_mode_name(enum shutdown_mode mode)
{
    static const char *const names[] = { "none", "power-off", "reboot", "start of the loaded kernel" };

    return names[mode];
}

bool shutdown_begin(struct supervisor *supervisor, enum shutdown_mode mode)
{
    if (supervisor->shutdown != SHUTDOWN_NONE) {
        log_info("%s asked for, but the %s is under way: it goes on", shutdown_mode_name(mode),
                 shutdown_mode_name(supervisor->shutdown));
        return false;
    }
    log_info("%s: stopping all services", shutdown_mode_name(mode));
    supervisor->shutdown = mode;
    supervisor->shutdown_late = (struct loop_timer){ .on_fire = on_late, .context = supervisor };
    supervisor->shutdown_stuck = (struct loop_timer){ .on_fire = on_stuck, .context = supervisor };
    loop_arm(&supervisor->loop, &supervisor->shutdown_late, SHUTDOWN_MS);
    watchdog_bound(&supervisor->watchdog, ALL_MS);
    supervisor_settle(supervisor);
    return true;
}

/* Kills everything but this process, until all of it is gone or the time is up. */
static void kill_all(struct supervisor *supervisor)
{
    uint64_t until = loop_now_ms() + REAP_MS;

    do {
        pid_t gone;
        kill(-1, SIGKILL);
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (gone < 0 && errno == ECHILD)
            return;
        watchdog_feed(&supervisor->watchdog);
        usleep(5000);
    } while (loop_now_ms() < until);
    log_warning("some processes can't be killed: going on without them");
}

static bool is_kept(const char *path)
{
    static const char *const kept[] = { "/", "/proc", "/sys", "/dev" };

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcmp(path, kept[i]) == 0)
            return true;
    return false;
}

/* Unmounts all, the last mounted first; returns how many were. */
static size_t unmount_once(int flags)
{
    char *paths[MOUNTS_MAX];
    size_t count = 0, done = 0;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *entry;

    while (mounts && count < MOUNTS_MAX && (entry = getmntent(mounts)))
        if (!is_kept(entry->mnt_dir) && (paths[count] = strdup(entry->mnt_dir)))
            count++;
    if (mounts)
        endmntent(mounts);
    while (count-- > 0) {
        if (umount2(paths[count], flags | UMOUNT_NOFOLLOW) == 0)
            done++;
        free(paths[count]);
    }
    return done;
}

static void unmount_all(void)
{
    sync();
    for (int round = 0; round < 10 && unmount_once(0) > 0; round++)
        continue;
    unmount_once(MNT_DETACH);
    sync();
}

static pid_t fork_for_unmounting(void)
{
    uint64_t until = loop_now_ms() + FORK_MS;
    pid_t child;

    while ((child = fork()) < 0 && loop_now_ms() < until)
        usleep(20000);
    return child;
}

static void unmount_in_time(struct supervisor *supervisor)
{
    uint64_t until = loop_now_ms() + UNMOUNT_MS;
    pid_t child = fork_for_unmounting();

    if (child == 0) {
        unmount_all();
        _exit(0);
    }
    if (child < 0) {
        log_fail(-errno, "make a process that unmounts: what wasn't synced is lost");
        return;
    }
    while (waitpid(child, NULL, WNOHANG) == 0) {
        if (loop_now_ms() >= until) {
            log_error("the file systems can't be unmounted within %d s: going on without", UNMOUNT_MS / 1000);
            return;
        }
        watchdog_feed(&supervisor->watchdog);
        usleep(5000);
    }
}

/* A device that was told to reset the machine does so if the reboot hangs; without power nothing is to be reset. */
static _Noreturn void end_machine(struct supervisor *supervisor)
{
    if (supervisor->shutdown == SHUTDOWN_POWER_OFF)
        watchdog_close(&supervisor->watchdog);
    if (supervisor->shutdown == SHUTDOWN_KEXEC)
        reboot(RB_KEXEC); /* it comes back when no kernel is loaded */
    for (;;) {
        reboot(supervisor->shutdown == SHUTDOWN_POWER_OFF ? RB_POWER_OFF : RB_AUTOBOOT);
        usleep(100000);
    }
}

void shutdown_finish(struct supervisor *supervisor)
{
    if (supervisor->container) {
        orphans_kill();
        return;
    }
    log_info("all services stopped, unmounting");
    logs_read_now(&supervisor->log);
    feed_close(&supervisor->feed, COPY_MS);
    kill_all(supervisor);
    unmount_in_time(supervisor);
    log_info("%s", shutdown_mode_name(supervisor->shutdown));
    logs_detach(&supervisor->log);
    screen_flush(&supervisor->screen);
    end_machine(supervisor);
}
