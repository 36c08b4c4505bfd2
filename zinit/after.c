/* What a service comes after. A blocked one hangs on the first that isn't there yet, and is looked at again when that
 * one changes: an event costs what depends on it, not what there is. A circle is looked for depth first; what a search
 * has found clean stays so until the set of services changes. */

#include "zinit/after.h"

#include "lib/log.h"
#include "zinit/supervisor.h"

#include <stdio.h>

static bool is_known_acyclic(const struct service *service)
{
    return service->acyclic_in == service->supervisor->generation;
}

/* Depth first: is there no way from here back onto the way here? Remembers of each that is clean. */
static bool is_clean(struct service *service)
{
    bool clean = true;

    service->visited_by = service->supervisor->searches;
    service->on_path = true;
    for (char **name = service->unit.after; name && *name; name++) {
        struct service *other = supervisor_find(service->supervisor, *name);
        if (!other || is_known_acyclic(other))
            continue;
        if (other->on_path || other->visited_by == service->supervisor->searches || !is_clean(other))
            clean = false;
    }
    service->on_path = false;
    if (clean)
        service->acyclic_in = service->supervisor->generation;
    return clean;
}

/* Depth first from `service`: does one that it comes after come after `target`? */
static bool reaches(struct service *service, const struct service *target)
{
    service->visited_by = service->supervisor->searches;
    for (char **name = service->unit.after; name && *name; name++) {
        struct service *other = supervisor_find(service->supervisor, *name);
        if (other == target)
            return true;
        if (!other || is_known_acyclic(other) || other->visited_by == service->supervisor->searches)
            continue;
        if (reaches(other, target))
            return true;
    }
    return false;
}

/* The first search is enough for all but those that come after a circle without being in it. */
static bool is_cyclic(struct service *service)
{
    if (is_known_acyclic(service))
        return false;
    service->supervisor->searches++;
    if (is_clean(service))
        return false;
    service->supervisor->searches++;
    if (reaches(service, service))
        return true;
    service->acyclic_in = service->supervisor->generation;
    return false;
}

static enum machine_event reject(struct service *service)
{
    log_error("%s: %s", service->unit.name, service->reason);
    return MACHINE_REJECT;
}

static void move_to(struct service *service, struct service **list)
{
    after_leave(service);
    service->next_waiter = *list;
    if (*list)
        (*list)->waiter_place = &service->next_waiter;
    service->waiter_place = list;
    *list = service;
}

void after_leave(struct service *service)
{
    if (!service->waiter_place)
        return;
    *service->waiter_place = service->next_waiter;
    if (service->next_waiter)
        service->next_waiter->waiter_place = service->waiter_place;
    service->next_waiter = NULL;
    service->waiter_place = NULL;
}

void after_wake(struct service *service)
{
    while (service->waiters)
        move_to(service->waiters, &service->supervisor->due);
}

static void describe_wait(struct service *service, const struct service *other)
{
    bool failed = other->state == MACHINE_ERROR || other->state == MACHINE_FAILURE ||
                  (other->state == MACHINE_WAITING && !other->good);

    if (failed && *other->reason)
        snprintf(service->reason, sizeof service->reason, "waits for %.100s, which failed: %.120s", other->unit.name,
                 other->reason);
    else
        snprintf(service->reason, sizeof service->reason, "waits for %.127s (%s)", other->unit.name,
                 service_state_name(other));
}

enum machine_event after_check(struct service *service)
{
    size_t size = sizeof service->reason;

    if (is_cyclic(service)) {
        snprintf(service->reason, size, "after: it comes after itself, by way of %.127s: break the circle",
                 service->unit.after[0]);
        return reject(service);
    }
    for (char **name = service->unit.after; name && *name; name++) {
        struct service *other = supervisor_find(service->supervisor, *name);
        if (!other) {
            snprintf(service->reason, size, "after: there is no service %.127s: add its unit, or take it out", *name);
            return reject(service);
        }
        if (!service_is_there(other)) {
            describe_wait(service, other);
            move_to(service, &other->waiters);
            return AFTER_WAIT;
        }
    }
    return MACHINE_UNBLOCK;
}
