/* Shutting down: a service is told to stop once no service that comes after it has a process, so that independent ones
 * stop side by side. Each has its own time-out (machine.c), the whole has one too, and syncing and unmounting are done
 * in a child that may hang without holding the machine up. */

#include "zinit/shutdown.h"

#include "lib/log.h"

#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHUTDOWN_MS 120000 /* all services together */
#define REAP_MS 3000       /* until killed processes are gone */
#define UNMOUNT_MS 20000   /* sync and unmount */
#define MOUNTS_MAX 512

static bool comes_after(const struct service *service, const char *name)
{
    for (char **each = service->unit.after; each && *each; each++)
        if (strcmp(*each, name) == 0)
            return true;
    return false;
}

static bool is_needed(const struct supervisor *supervisor, const struct service *service)
{
    for (const struct service *other = supervisor->services; other; other = other->next)
        if (other != service && machine_has_process(other->state) && comes_after(other, service->unit.name))
            return true;
    return false;
}

void shutdown_step(struct supervisor *supervisor)
{
    bool alive = false;

    for (struct service *service = supervisor->services; service; service = service->next) {
        if (machine_wanted_up(service->state) && !is_needed(supervisor, service))
            service_stop(service);
        alive |= machine_has_process(service->state) || machine_wanted_up(service->state);
    }
    if (!alive)
        loop_end(&supervisor->loop);
}

static void on_late(struct loop_timer *timer)
{
    struct supervisor *supervisor = timer->context;

    log_error("services take too long to stop: going on without them");
    loop_end(&supervisor->loop);
}

bool shutdown_begin(struct supervisor *supervisor, enum shutdown_mode mode)
{
    if (supervisor->shutdown != SHUTDOWN_NONE)
        return false;
    log_info("%s: stopping all services", mode == SHUTDOWN_REBOOT ? "reboot" : "shutdown");
    supervisor->shutdown = mode;
    supervisor->shutdown_late = (struct loop_timer){ .on_fire = on_late, .context = supervisor };
    loop_arm(&supervisor->loop, &supervisor->shutdown_late, SHUTDOWN_MS);
    supervisor_settle(supervisor);
    return true;
}

/* Waits until a child (-1: all) is gone, at most so long. */
static void wait_for(pid_t pid, uint64_t at_most_ms)
{
    uint64_t until = loop_now_ms() + at_most_ms;

    while (loop_now_ms() < until) {
        pid_t gone = waitpid(pid, NULL, WNOHANG);
        if (gone < 0 || (gone > 0 && gone == pid))
            return;
        if (gone == 0)
            usleep(5000);
    }
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

void shutdown_finish(struct supervisor *supervisor)
{
    pid_t child;

    if (supervisor->container)
        return;
    log_info("all services stopped, unmounting");
    kill(-1, SIGKILL);
    wait_for(-1, REAP_MS);
    child = fork();
    if (child == 0) {
        unmount_all();
        _exit(0);
    }
    if (child > 0)
        wait_for(child, UNMOUNT_MS);
    log_info("%s", supervisor->shutdown == SHUTDOWN_REBOOT ? "rebooting" : "powering off");
    logs_detach(&supervisor->log);
    screen_flush(&supervisor->screen);
    for (;;)
        reboot(supervisor->shutdown == SHUTDOWN_REBOOT ? RB_AUTOBOOT : RB_POWER_OFF);
}
