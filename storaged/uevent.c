/* NETLINK_KOBJECT_UEVENT (netlink(7); lib/kobject_uevent.c of the kernel writes the messages). A burst of events, as
 * when a shelf of disks is switched on, ends in one scan. */

#include "storaged/uevent.h"

#include "lib/log.h"
#include "storaged/apply.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES_MAX 8192 /* UEVENT_BUFFER_SIZE of linux/kobject.h is 2048, and the path in front */
#define PAUSE_MS 50
#define GROUP_KERNEL 1

bool uevent_parse(const char *message, size_t size, struct uevent *ret_event)
{
    struct uevent event = { 0 };
    bool block = false;
    size_t length;

    for (const char *at = message; at < message + size; at += length + 1) {
        length = strnlen(at, size - (size_t)(at - message));
        if (at + length == message + size)
            break; /* not ended: cut off */
        if (!strcmp(at, "SUBSYSTEM=block"))
            block = true;
        else if (!strcmp(at, "DEVTYPE=disk"))
            event.is_disk = true;
        else if (!strncmp(at, "ACTION=", 7))
            snprintf(event.action, sizeof event.action, "%.15s", at + 7);
        else if (!strncmp(at, "DEVNAME=", 8))
            snprintf(event.device, sizeof event.device, "%.31s", at + 8);
    }
    if (!block || !event.device[0])
        return false;
    *ret_event = event;
    return true;
}

static void on_pause_over(uv_timer_t *timer)
{
    apply_scan(timer->data);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct sockaddr_nl from = { 0 };
    struct state *state = poll->data;
    char message[MESSAGE_BYTES_MAX];
    struct uevent event;
    ssize_t size;
    int fd;

    if (uv_fileno((uv_handle_t *)poll, &fd) < 0)
        return;
    for (;;) {
        socklen_t from_size = sizeof from;
        size = recvfrom(fd, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
        if (size < 0 && errno != ENOBUFS)
            return;
        /* Only the kernel has port 0. ENOBUFS: some were lost; the scan finds out what they said. */
        if (size >= 0 && (from.nl_pid != 0 || !uevent_parse(message, (size_t)size, &event)))
            continue;
        if (size >= 0 && event.is_disk && !strcmp(event.action, "change"))
            apply_disk_changed(state, event.device);
        uv_timer_start(&state->events_pause, on_pause_over, PAUSE_MS, 0);
    }
}

int uevent_open(struct state *state)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0)
        return log_fail(-errno, "open the kernel's device events");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        uv_poll_init(state->daemon.loop, &state->events, fd) < 0) {
        int r = -errno;
        close(fd);
        return log_fail(r, "listen to the kernel's device events");
    }
    state->events.data = state->events_pause.data = state;
    uv_timer_init(state->daemon.loop, &state->events_pause);
    state->events_pause.data = state;
    uv_poll_start(&state->events, UV_READABLE, on_event);
    return 0;
}
