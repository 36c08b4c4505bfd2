/* What a service comes after. A circle is looked for depth first, once a service after any change to the set of
 * services. */

#include "zinit/after.h"

#include "lib/log.h"
#include "zinit/supervisor.h"

#include <stdio.h>

/* Depth first from `service`: does one that it comes after come after `target`? */
static bool reaches(struct supervisor *supervisor, struct service *service, const struct service *target)
{
    service->visited = true;
    for (char **name = service->unit.after; name && *name; name++) {
        struct service *other = supervisor_find(supervisor, *name);
        if (other == target)
            return true;
        if (other && !other->visited && reaches(supervisor, other, target))
            return true;
    }
    return false;
}

static bool is_cyclic(struct service *service)
{
    struct supervisor *supervisor = service->supervisor;

    if (service->acyclic)
        return false;
    for (struct service *each = supervisor->services; each; each = each->next)
        each->visited = false;
    service->acyclic = !reaches(supervisor, service, service);
    return !service->acyclic;
}

static enum machine_event reject(struct service *service)
{
    log_error("%s: %s", service->unit.name, service->reason);
    return MACHINE_REJECT;
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
        const struct service *other = supervisor_find(service->supervisor, *name);
        if (!other) {
            snprintf(service->reason, size, "after: there is no service %.127s: add its unit, or take it out", *name);
            return reject(service);
        }
        if (!service_is_there(other)) {
            snprintf(service->reason, size, "waits for %.127s (%s)", *name, service_state_name(other));
            return AFTER_WAIT;
        }
    }
    return MACHINE_UNBLOCK;
}
