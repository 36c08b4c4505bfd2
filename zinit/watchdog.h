#pragma once

/* The watchdog: a device that resets the machine unless it is fed in time (the kernel's
 * Documentation/watchdog/watchdog-api.rst). It is fed by a timer of the loop, so only while the loop turns, and only
 * while every service whose unit says `critical: true` is well. */

#include "zinit/loop.h"

#include <stddef.h>

struct supervisor;

#define WATCHDOG_TIMEOUT_S 60 /* asked for; fed every half of what the device makes of it */
#define WATCHDOG_GRACE_S 300  /* so long may a critical service be unwell: backoff's cap (30 s) several times over */
#define WATCHDOG_PATH_BYTES 64

struct watchdog {
    struct supervisor *supervisor;
    int fd; /* -1: none */
    bool starving;
    uint64_t grace_ms, feed_ms;
    uint64_t until_ms; /* not fed any more from then on; 0: no such time */
    struct loop_timer timer;
};

/* Which device to use, of those that the folders `class` (/sys/class/watchdog) and `dev` (/dev) show: one with hardware
 * behind it rather than the kernel's softdog, which a kernel that hangs takes with it. False when there is none. */
bool watchdog_choose(const char *class, const char *dev, char ret_path[static WATCHDOG_PATH_BYTES]);
/* Reads "TIMEOUT" or "TIMEOUT,GRACE", in seconds, as zos.watchdog= has it (both up to 65535; TIMEOUT 0: none is to be
 * used). False, and nothing is changed, when it is neither. */
bool watchdog_parse(const char *text, unsigned *ret_timeout_s, unsigned *ret_grace_s);

/* Opens the machine's watchdog and feeds it from now on. Without one nothing is done, and nothing wakes. */
void watchdog_open(struct watchdog *watchdog, struct supervisor *supervisor);
/* Feeds it now, for who keeps the loop waiting for a bounded time. */
void watchdog_feed(struct watchdog *watchdog);
/* From `ms` from now on it isn't fed any more, whatever happens: the bound of a shutdown. */
void watchdog_bound(struct watchdog *watchdog, uint64_t ms);
/* Turns it off, where the device can be turned off ("magic close"): the machine is about to be without power. */
void watchdog_close(struct watchdog *watchdog);
