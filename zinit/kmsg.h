#pragma once

/* A record of /dev/kmsg, read as Documentation/ABI/testing/dev-kmsg says: `<priority>,<sequence>,<µs since
 * boot>,<flags>
 * [,…];<text>\n`, then lines of keys that begin with a space. Pure. */

#include "zinit/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that one read gives: the kernel's PRINTK_MESSAGE_MAX (kernel/printk/internal.h, 6.12) is 2048. */
#define KMSG_RECORD_BYTES_MAX 8192

struct kmsg {
    int level;    /* syslog's, 0 to 7 */
    int facility; /* 0: the kernel itself; else a program wrote it into the device */
    uint64_t sequence;
    uint64_t time_us; /* since boot, about CLOCK_MONOTONIC */
    size_t size;
    char text[RING_LINE_BYTES_MAX + 1]; /* no line end, no NUL; cut at RING_LINE_BYTES_MAX; may be no UTF-8 */
};

/* False for what isn't such a record. The kernel's \xNN are turned back into bytes, except for control characters. */
bool kmsg_parse(const char *record, size_t size, struct kmsg *ret_kmsg);
