/* Readiness. Whichever it is, its descriptor is open until the service is ready, and no longer. */

#include "zinit/ready.h"

#include "zinit/notify.h"
#include "zinit/spawn.h"
#include "zinit/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_pipe(struct loop_source *source, uint32_t events)
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

static int open_pipe(struct service *service, int *ret_fd)
{
    int ends[2], error;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    service->ready.fd = ends[0];
    service->ready.on_event = on_pipe;
    error = loop_add(&service->supervisor->loop, &service->ready, EPOLLIN);
    if (error) {
        close(ends[1]);
        loop_remove(&service->supervisor->loop, &service->ready);
        return error;
    }
    *ret_fd = ends[1];
    return 0;
}

int ready_open(struct service *service, int *ret_fd, char ret_variable[static READY_VARIABLE_BYTES])
{
    ret_variable[0] = '\0';
    switch (service->unit.ready) {
    case UNIT_READY_BORN:
        break;
    case UNIT_READY_FD:
        snprintf(ret_variable, READY_VARIABLE_BYTES, "ZINIT_READY_FD=%d", SPAWN_READY_FD);
        return open_pipe(service, ret_fd);
    case UNIT_READY_NOTIFY:
        return notify_open(service, ret_variable);
    }
    return 0;
}
