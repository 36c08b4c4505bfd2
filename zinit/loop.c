/* The loop: one epoll instance, whose wait ends when the first timer is due. An idle supervisor has no timer armed and
 * so never wakes. Taking one event and one timer a turn costs a system call each; it spares every stale-pointer
 * question that batches bring, and neither events nor timers, however many, hold up the others. */

#include "zinit/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

uint64_t loop_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct loop_timer *first_timer(const struct loop *loop)
{
    struct heap_node *node = loop->timers.first;

    return node ? (struct loop_timer *)((char *)node - offsetof(struct loop_timer, node)) : NULL;
}

/* How long to wait for an event, as epoll_wait has it: -1 for ever, 0 when a timer is due. */
static int wait_ms(const struct loop *loop)
{
    struct heap_node *first = loop->timers.first;
    uint64_t now = first ? loop_now_ms() : 0;

    if (!first || first->key <= now)
        return first ? 0 : -1;
    return first->key - now < INT_MAX ? (int)(first->key - now) : INT_MAX;
}

static void fire_one(struct loop *loop)
{
    struct loop_timer *timer = first_timer(loop);

    if (!timer || timer->node.key > loop_now_ms())
        return;
    loop_disarm(loop, timer);
    timer->on_fire(timer);
}

int loop_open(struct loop *loop)
{
    *loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    if (loop->epoll_fd > 0)
        close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

void loop_run(struct loop *loop)
{
    while (!loop->ended) {
        struct epoll_event event;
        if (epoll_wait(loop->epoll_fd, &event, 1, wait_ms(loop)) == 1) {
            struct loop_source *source = event.data.ptr;
            source->on_event(source, event.events);
        }
        if (!loop->ended)
            fire_one(loop);
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
    loop_disarm(loop, timer);
    heap_add(&loop->timers, &timer->node, loop_now_ms() + delay_ms);
    timer->armed = true;
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
    if (timer->armed)
        heap_remove(&loop->timers, &timer->node);
    timer->armed = false;
}

int64_t loop_left_ms(const struct loop_timer *timer)
{
    uint64_t now = loop_now_ms();

    if (!timer->armed)
        return -1;
    return timer->node.key > now ? (int64_t)(timer->node.key - now) : 0;
}
