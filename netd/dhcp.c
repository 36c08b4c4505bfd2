/* dhcpcd as a child. Its rundir and dbdir are fixed when it is built: /run/dhcpcd. A dhcpcd outlives a netd that is
 * killed; the next netd, which can't wait for it, ends it and starts its own, and since it leaves addresses and routes
 * where they are (`persistent`), traffic doesn't notice. */

#include "netd/dhcp.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAM "/bin/dhcpcd"
#define CONFIG_PATH "/run/netd/dhcpcd.conf"
#define PID_PATH DHCP_FOLDER "/dhcpcd.pid"
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 5000
#define SETTLED_MS 10000 /* who ran that long starts at once again */
#define END_WAIT_MS 1000

/* The program, or another one for tests. */
static const char *program(void)
{
    const char *named = getenv("NETD_DHCPCD");
    return named ? named : PROGRAM;
}

static bool is_dhcpcd(int pid)
{
    char path[64];
    cleanup_free char *name = NULL;
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    return file_read(path, 64, &name, NULL) == 0 && strcmp(name, "dhcpcd\n") == 0;
}

/* By pidfd, so that the pid can't become another's between the look and the signal. */
static void end_left_behind(void)
{
    cleanup_free char *text = NULL;
    if (file_read(PID_PATH, 32, &text, NULL) < 0)
        return;
    int pid = atoi(text);
    cleanup_close int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd < 0 || !is_dhcpcd(pid))
        return;
    log_info("dhcpcd %d of an earlier netd: ended", pid);
    struct pollfd ended = { .fd = fd, .events = POLLIN };
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
        poll(&ended, 1, END_WAIT_MS);
    unlink(DHCP_LEASE_FOLDER "/sock"); /* which the next one would try to talk to */
    unlink(DHCP_LEASE_FOLDER "/pid");
}

static void write_pid(int pid)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%d\n", pid);
    file_write(PID_PATH, text, (size_t)size, 0600);
}

static int start(struct dhcp *dhcp);

static void on_again(uv_timer_t *timer)
{
    struct dhcp *dhcp = timer->data;
    if (!dhcp->running && !dhcp->stopping)
        start(dhcp);
}

static void start_later(struct dhcp *dhcp)
{
    uv_timer_start(&dhcp->again, on_again, dhcp->backoff_ms, 0);
    dhcp->backoff_ms = dhcp->backoff_ms ? dhcp->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (dhcp->backoff_ms > BACKOFF_MAX_MS)
        dhcp->backoff_ms = BACKOFF_MAX_MS;
}

static void on_closed(uv_handle_t *process)
{
    struct dhcp *dhcp = process->data;
    dhcp->running = false;
    if (!dhcp->stopping)
        start_later(dhcp);
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
    struct dhcp *dhcp = process->data;
    if (uv_now(dhcp->loop) - dhcp->started_ms >= SETTLED_MS)
        dhcp->backoff_ms = 0;
    if (!dhcp->stopping && !dhcp->restarting)
        log_warning("dhcpcd ended (status %d, signal %d) after %llu ms", (int)status, signal,
                    (unsigned long long)(uv_now(dhcp->loop) - dhcp->started_ms));
    uv_close((uv_handle_t *)process, on_closed);
}

/* -B: in the foreground; -M: manager of all links, however many there are now. */
static int start(struct dhcp *dhcp)
{
    char *arguments[] = { "dhcpcd", "-B", "-M", "-f", CONFIG_PATH, NULL };
    char *environment[] = { NULL };
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
                                      { .flags = UV_INHERIT_FD, .data.fd = 2 },
                                      { .flags = UV_INHERIT_FD, .data.fd = 2 } };
    uv_process_options_t options = {
        .file = program(), .args = arguments, .env = environment, .exit_cb = on_ended, .stdio = stdio, .stdio_count = 3
    };
    dhcp->process.data = dhcp;
    dhcp->started_ms = uv_now(dhcp->loop);
    dhcp->running = true;
    dhcp->restarting = false;
    int error = uv_spawn(dhcp->loop, &dhcp->process, &options);
    if (error < 0) {
        log_fail(error, "start %s", options.file);
        uv_close((uv_handle_t *)&dhcp->process, on_closed); /* which starts it again */
        return error;
    }
    write_pid(dhcp->process.pid);
    log_debug("dhcpcd runs as %d", dhcp->process.pid);
    return 0;
}

int dhcp_open(struct dhcp *dhcp, uv_loop_t *loop)
{
    *dhcp = (struct dhcp){ .loop = loop };
    int result = file_make_folders(DHCP_FOLDER, 0755);
    if (result == 0)
        result = file_make_folders(DHCP_LEASE_FOLDER, 0755);
    if (result < 0)
        return result;
    end_left_behind();
    uv_timer_init(loop, &dhcp->again);
    dhcp->again.data = dhcp;
    return 0;
}

int dhcp_run(struct dhcp *dhcp, const char *config)
{
    int result = file_write(CONFIG_PATH, config, strlen(config), 0644);
    if (result < 0)
        return result;
    snprintf(dhcp->config, sizeof(dhcp->config), "%s", config);
    dhcp->backoff_ms = 0;
    if (!dhcp->running)
        return start(dhcp);
    dhcp_restart(dhcp);
    return 0;
}

void dhcp_restart(struct dhcp *dhcp)
{
    if (!dhcp->running || dhcp->restarting)
        return;
    dhcp->restarting = true;
    uv_process_kill(&dhcp->process, SIGTERM);
}

void dhcp_stop(struct dhcp *dhcp)
{
    dhcp->stopping = true;
    if (dhcp->running)
        uv_process_kill(&dhcp->process, SIGTERM);
}

bool dhcp_read_lease(const char *link, struct lease *ret_lease, struct reason *reason)
{
    char path[128];
    cleanup_free char *bytes = NULL;
    size_t size;
    reason->text[0] = 0;
    snprintf(path, sizeof(path), "%s/%s.lease", DHCP_LEASE_FOLDER, link);
    int result = file_read(path, LEASE_BYTES_MAX, &bytes, &size);
    if (result == -ENOENT || (result == 0 && size == 0))
        return false;
    if (result < 0)
        return reason_refuse(reason, path, "%s", strerror(-result)) == 0;
    return lease_parse((const uint8_t *)bytes, size, ret_lease, reason) == 0;
}
