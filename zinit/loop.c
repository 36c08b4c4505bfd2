/* The loop: one epoll instance, one timerfd set to the nearest of a sorted list of timers. An idle supervisor has no
 * timer armed and so never wakes. Taking one event a turn costs a system call each and spares every stale-pointer
 * question that batches bring. */

#include "zinit/loop.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

uint64_t loop_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void set_clock(struct loop *loop)
{
    struct itimerspec when = { 0 };

    if (loop->timers) {
        when.it_value.tv_sec = (time_t)(loop->timers->at_ms / 1000);
        when.it_value.tv_nsec = (long)(loop->timers->at_ms % 1000) * 1000000 + 1; /* all zero would disarm it */
    }
    timerfd_settime(loop->clock.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_clock(struct loop_source *source, uint32_t events)
{
    struct loop *loop = source->context;
    uint64_t expirations, now = loop_now_ms();

    if (read(source->fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        return;
    while (loop->timers && loop->timers->at_ms <= now) {
        struct loop_timer *timer = loop->timers;
        loop->timers = timer->next;
        timer->armed = false;
        timer->on_fire(timer);
    }
    set_clock(loop);
}

int loop_open(struct loop *loop)
{
    int error;

    *loop = (struct loop){ .clock = { .fd = -1, .on_event = on_clock, .context = loop } };
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -errno;
    loop->clock.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->clock.fd < 0)
        return -errno;
    error = loop_add(loop, &loop->clock, EPOLLIN);
    return error;
}

void loop_close(struct loop *loop)
{
    loop_remove(loop, &loop->clock);
    if (loop->epoll_fd > 0)
        close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

void loop_run(struct loop *loop)
{
    while (!loop->ended) {
        struct epoll_event event;
        if (epoll_wait(loop->epoll_fd, &event, 1, -1) == 1) {
            struct loop_source *source = event.data.ptr;
            source->on_event(source, event.events);
        }
    }
}

void loop_end(struct loop *loop)
{
    loop->ended = true;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    if (source->fd < 0)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    close(source->fd);
    source->fd = -1;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    struct loop_timer **place = &loop->timers;

    loop_disarm(loop, timer);
    timer->at_ms = loop_now_ms() + delay_ms;
    while (*place && (*place)->at_ms <= timer->at_ms)
        place = &(*place)->next;
    timer->next = *place;
    timer->armed = true;
    *place = timer;
    if (loop->timers == timer)
        set_clock(loop);
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
    struct loop_timer **place = &loop->timers;

    if (!timer->armed)
        return;
    while (*place != timer)
        place = &(*place)->next;
    *place = timer->next;
    timer->armed = false;
    if (place == &loop->timers)
        set_clock(loop);
}
