/* A list of waiting requests, looked through when the log grows and once a second. */

#include "contrib/directory/log_wait.h"

#include "contrib/directory/log_api.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_MS 1000
#define WAITERS_MAX 1000 /* more are answered at once */

struct waiter {
    struct waiter *next;
    struct log_wait *wait;
    struct request *request;
    uint64_t above;
    uint64_t deadline_ms;
};

struct log_wait {
    struct directory *directory;
    struct waiter *first;
    size_t count;
    uv_timer_t timer;
    bool released;
};

const struct parameter LOG_WAIT_PARAMETERS[] = {
    { "above", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "wait", PARAMETER_INTEGER, 0, LOG_WAIT_MAX_S },
    { 0 },
};

/* Answers those of whom `all`, or the size, or the time says so. */
static void answer_due(struct log_wait *wait, bool all)
{
    uint64_t size = directory_public_head(wait->directory)->checkpoint.size, now = uv_now(wait->directory->loop);
    struct waiter **at = &wait->first;

    while (*at) {
        struct waiter *waiter = *at;
        if (!all && size <= waiter->above && now < waiter->deadline_ms) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        wait->count--;
        log_get_checkpoint(wait->directory, waiter->request);
        waiter->request->cache_control = NULL;
        request_resume(waiter->request);
        free(waiter);
    }
}

static void on_hangup(struct request *request)
{
    struct waiter *gone = request->waiter;
    struct waiter **at = &gone->wait->first;

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    gone->wait->count--;
    request_resume(request);
    free(gone);
}

void log_wait_ask(struct directory *directory, struct request *request)
{
    struct log_wait *wait = directory->log_wait;
    const struct parameter_value *values = request->values;
    uint64_t size = directory_public_head(directory)->checkpoint.size;
    struct waiter *waiter = NULL;

    if (size <= (uint64_t)values[0].integer && values[0].given && values[1].integer > 0 && !wait->released &&
        wait->count < WAITERS_MAX)
        waiter = malloc(sizeof *waiter);
    if (!waiter) {
        log_get_checkpoint(directory, request);
        request->cache_control = NULL;
        return;
    }
    *waiter = (struct waiter){ .next = wait->first,
                               .wait = wait,
                               .request = request,
                               .above = (uint64_t)values[0].integer,
                               .deadline_ms = uv_now(directory->loop) + (uint64_t)values[1].integer * 1000 };
    wait->first = waiter;
    wait->count++;
    request_wait_long(request, on_hangup, waiter);
}

void log_wait_wake(struct log_wait *wait)
{
    answer_due(wait, false);
}

void log_wait_release(struct log_wait *wait)
{
    wait->released = true;
    answer_due(wait, true);
}

static void on_tick(uv_timer_t *timer)
{
    answer_due(timer->data, false);
}

int log_wait_new(struct directory *directory, struct log_wait **ret_wait)
{
    struct log_wait *wait = calloc(1, sizeof *wait);

    if (!wait)
        return -ENOMEM;
    wait->directory = directory;
    wait->timer.data = wait;
    uv_timer_init(directory->loop, &wait->timer);
    uv_timer_start(&wait->timer, on_tick, TICK_MS, TICK_MS);
    *ret_wait = wait;
    return 0;
}

size_t log_wait_waiting(const struct log_wait *wait)
{
    return wait->count;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void log_wait_free(struct log_wait *wait)
{
    if (wait)
        uv_close((uv_handle_t *)&wait->timer, on_closed);
}
