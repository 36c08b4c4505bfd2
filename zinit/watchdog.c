/* The watchdog. A driver in the kernel's watchdog core is /dev/watchdogN and /sys/class/watchdog/watchdogN, the latter
 * a link below /sys/devices/virtual for softdog, which has no device behind it. A driver of the older kind (IPMI's) is
 * /dev/watchdog alone, which the core gives to its number 0 when nobody has it.
 *
 * A critical service that is unwell for longer than the grace won't get well by being started again: that is said, the
 * feeding ends, and a reboot in order is begun with the time that is left. Either that or the device brings the machine
 * back. A service that somebody stopped isn't judged. */

#include "zinit/watchdog.h"

#include "lib/log.h"
#include "zinit/boot.h"
#include "zinit/shutdown.h"
#include "zinit/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICES_MAX 32 /* MAX_DOGS of the kernel's watchdog_core.h */
#define CLASS_FOLDER "/sys/class/watchdog"

/* ---- which one */

static bool is_virtual(const char *class, unsigned number)
{
    char path[128], target[PATH_MAX];
    ssize_t size;

    snprintf(path, sizeof path, "%.64s/watchdog%u", class, number);
    size = readlink(path, target, sizeof target - 1);
    if (size < 0)
        return false;
    target[size] = '\0';
    return strstr(target, "/virtual/") != NULL;
}

static bool is_there(const char *folder, unsigned number)
{
    char path[128];

    snprintf(path, sizeof path, "%.64s/watchdog%u", folder, number);
    return access(path, F_OK) == 0;
}

bool watchdog_choose(const char *class, const char *dev, char ret_path[static WATCHDOG_PATH_BYTES])
{
    unsigned virtual_one = DEVICES_MAX;

    for (unsigned number = 0; number < DEVICES_MAX; number++) {
        if (!is_there(class, number) || !is_there(dev, number))
            continue;
        if (!is_virtual(class, number)) {
            snprintf(ret_path, WATCHDOG_PATH_BYTES, "%.40s/watchdog%u", dev, number);
            return true;
        }
        virtual_one = virtual_one < number ? virtual_one : number;
    }
    snprintf(ret_path, WATCHDOG_PATH_BYTES, "%.40s/watchdog", dev);
    if (!is_there(class, 0) && access(ret_path, F_OK) == 0)
        return true;
    if (virtual_one == DEVICES_MAX)
        return false;
    snprintf(ret_path, WATCHDOG_PATH_BYTES, "%.40s/watchdog%u", dev, virtual_one);
    return true;
}

static bool parse_seconds(const char **text, unsigned *ret_seconds)
{
    char *end;
    unsigned long value;

    if (**text < '0' || **text > '9')
        return false;
    value = strtoul(*text, &end, 10);
    *text = end;
    *ret_seconds = (unsigned)value;
    return value <= UINT16_MAX;
}

bool watchdog_parse(const char *text, unsigned *ret_timeout_s, unsigned *ret_grace_s)
{
    unsigned timeout_s, grace_s = *ret_grace_s;

    if (!parse_seconds(&text, &timeout_s))
        return false;
    if (*text == ',') {
        text++;
        if (!parse_seconds(&text, &grace_s))
            return false;
    }
    if (*text)
        return false;
    *ret_timeout_s = timeout_s;
    *ret_grace_s = grace_s;
    return true;
}

/* ---- feeding */

void watchdog_feed(struct watchdog *watchdog)
{
    if (watchdog->fd < 0 || watchdog->starving || (watchdog->until_ms && loop_now_ms() >= watchdog->until_ms))
        return;
    if (write(watchdog->fd, "\0", 1) < 0 && errno != EINTR)
        log_fail(-errno, "feed the watchdog");
}

void watchdog_bound(struct watchdog *watchdog, uint64_t ms)
{
    watchdog->until_ms = loop_now_ms() + ms;
}

/* The critical service that has been unwell for longer than the grace, or NULL. */
static struct service *find_lost(const struct watchdog *watchdog)
{
    uint64_t now = loop_now_ms();

    for (struct service *service = watchdog->supervisor->services; service; service = service->next) {
        if (!service->unit.critical)
            continue;
        if (service_is_well(service))
            service->unwell_ms = 0;
        else if (service->unwell_ms == 0)
            service->unwell_ms = now;
        else if (now - service->unwell_ms >= watchdog->grace_ms)
            return service;
    }
    return NULL;
}

static void give_up(struct watchdog *watchdog, const struct service *service)
{
    watchdog->starving = true;
    log_error("%s is critical and not well for %u s (%s): the watchdog is fed no more, rebooting", service->unit.name,
              (unsigned)((loop_now_ms() - service->unwell_ms) / 1000),
              service->reason[0] ? service->reason : service_state_name(service));
    shutdown_begin(watchdog->supervisor, SHUTDOWN_REBOOT);
}

static void on_feed(struct loop_timer *timer)
{
    struct watchdog *watchdog = timer->context;
    struct service *lost = watchdog->supervisor->shutdown == SHUTDOWN_NONE ? find_lost(watchdog) : NULL;

    watchdog_feed(watchdog); /* once more even so: it is the time that the reboot has */
    if (lost) {
        give_up(watchdog, lost);
        return;
    }
    loop_arm(&watchdog->supervisor->loop, timer, watchdog->feed_ms);
}

/* What the device makes of the wish: it may round, or know but one. */
static unsigned set_timeout(int fd, unsigned wanted_s)
{
    int seconds = (int)wanted_s;

    if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0 && ioctl(fd, WDIOC_GETTIMEOUT, &seconds) < 0)
        seconds = 2; /* so often any device is fed often enough */
    return seconds > 0 ? (unsigned)seconds : 1;
}

static void read_settings(unsigned *timeout_s, unsigned *grace_s)
{
    char word[32];

    if (boot_word("zos.watchdog=", word, sizeof word) && !watchdog_parse(word, timeout_s, grace_s))
        log_warning("zos.watchdog=%s: must be TIMEOUT or TIMEOUT,GRACE in seconds; it is as if it weren't there", word);
}

void watchdog_open(struct watchdog *watchdog, struct supervisor *supervisor)
{
    unsigned timeout_s = WATCHDOG_TIMEOUT_S, grace_s = WATCHDOG_GRACE_S;
    struct watchdog_info info = { 0 };
    char path[WATCHDOG_PATH_BYTES];

    *watchdog = (struct watchdog){ .supervisor = supervisor, .fd = -1 };
    watchdog->timer = (struct loop_timer){ .on_fire = on_feed, .context = watchdog };
    read_settings(&timeout_s, &grace_s);
    if (timeout_s == 0 || !watchdog_choose(CLASS_FOLDER, "/dev", path))
        return;
    watchdog->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (watchdog->fd < 0) {
        log_fail(-errno, "open %s: nothing resets this machine when it hangs", path);
        return;
    }
    timeout_s = set_timeout(watchdog->fd, timeout_s);
    watchdog->feed_ms = timeout_s * 1000UL / 2;
    watchdog->grace_ms = grace_s * 1000UL;
    ioctl(watchdog->fd, WDIOC_GETSUPPORT, &info);
    log_info("watchdog %s (%.32s): resets the machine unless it is fed within %u s", path, (char *)info.identity,
             timeout_s);
    on_feed(&watchdog->timer);
}

void watchdog_close(struct watchdog *watchdog)
{
    if (watchdog->fd < 0)
        return;
    loop_disarm(&watchdog->supervisor->loop, &watchdog->timer);
    if (write(watchdog->fd, "V", 1) < 0)
        log_fail(-errno, "turn the watchdog off");
    close(watchdog->fd);
    watchdog->fd = -1;
}
