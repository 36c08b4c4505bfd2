#pragma once

/* The loop of PID 1: epoll, and timers. One event is taken from the kernel at a time, so that a callback may remove and
 * free any source or timer, itself included. Nothing here allocates. */

#include "zinit/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop_source {
    int fd; /* -1: not in the loop */
    void (*on_event)(struct loop_source *source, uint32_t events);
    void *context;
};

struct loop_timer {
    void (*on_fire)(struct loop_timer *timer);
    void *context;
    bool armed; /* to be read only */
    /* private */
    struct heap_node node; /* its key: when it fires, in ms of loop_now_ms */
};

struct loop {
    int epoll_fd;
    struct heap timers;
    bool ended;
};

/* 0, or negative errno. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
/* Turns until loop_end. */
void loop_run(struct loop *loop);
void loop_end(struct loop *loop);

/* Adds source->fd for `events` (EPOLLIN …); the source stays the caller's and must stay where it is. 0, or negative
 * errno
 * (-EPERM: a plain file, which is always ready). */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
/* Takes it out and closes its descriptor; fine when it is out already. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Arms a timer that fires once, in `delay_ms`; an armed one is moved. */
void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

/* Milliseconds until an armed timer fires; -1 when it isn't armed. */
int64_t loop_left_ms(const struct loop_timer *timer);

/* Milliseconds since boot, suspended time left out. */
uint64_t loop_now_ms(void);
