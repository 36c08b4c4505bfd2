/* A list of waiting requests, looked through when the log grows and once a second. */

#include "contrib/directory/log_wait.h"

#include "contrib/directory/log_api.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_MS 1000
#define WAITERS_MAX 1000 /* for the checkpoint: more are answered at once */
#define ENTRY_WAIT_MS 5000

struct waiter {
    struct waiter *next;
    struct log_wait *wait;
    struct request *request;
    const struct tlog_head *(*head)(const struct directory *directory); /* of more than `above` entries */
    uint64_t above;
    uint64_t deadline_ms;
    void (*answer)(struct directory *directory, struct request *request);
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
    uint64_t now = uv_now(wait->directory->loop);
    struct waiter **at = &wait->first;

    while (*at) {
        struct waiter *waiter = *at;
        uint64_t size = waiter->head(wait->directory)->checkpoint.size;
        if (!all && size <= waiter->above && now < waiter->deadline_ms) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        wait->count--;
        waiter->answer(wait->directory, waiter->request);
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

/* false: the end is near, or memory is out. */
static bool hold(struct log_wait *wait, const struct waiter *waiter)
{
    struct waiter *held = wait->released ? NULL : malloc(sizeof *held);

    if (!held)
        return false;
    *held = *waiter;
    held->next = wait->first;
    wait->first = held;
    wait->count++;
    request_wait_long(held->request, on_hangup, held);
    return true;
}

static void answer_checkpoint(struct directory *directory, struct request *request)
{
    log_get_checkpoint(directory, request);
    request->cache_control = NULL;
}

void log_wait_ask(struct directory *directory, struct request *request)
{
    const struct parameter_value *values = request->values;
    struct waiter waiter = { .wait = directory->log_wait,
                             .request = request,
                             .head = directory_public_head,
                             .above = (uint64_t)values[0].integer,
                             .deadline_ms = uv_now(directory->loop) + (uint64_t)values[1].integer * 1000,
                             .answer = answer_checkpoint };
    bool must_wait =
        directory_public_head(directory)->checkpoint.size <= waiter.above && values[0].given && values[1].integer > 0;

    must_wait = must_wait && directory->log_wait->count < WAITERS_MAX;
    if (!must_wait || !hold(directory->log_wait, &waiter))
        answer_checkpoint(directory, request);
}

static const struct tlog_head *own_head(const struct directory *directory)
{
    return &directory->head;
}

bool log_wait_for_entry(struct directory *directory, struct request *request, uint64_t index,
                        void (*answer)(struct directory *directory, struct request *request))
{
    struct waiter waiter = { .wait = directory->log_wait,
                             .request = request,
                             .head = own_head,
                             .above = index,
                             .deadline_ms = uv_now(directory->loop) + ENTRY_WAIT_MS,
                             .answer = answer };

    return hold(directory->log_wait, &waiter);
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
