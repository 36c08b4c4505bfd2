#pragma once

/* What the machine is, read from /proc and /sys. */

#include "lib/resources.h"

/* The system's own share of the memory, which no contract can reserve: kernel, daemons, and room for page cache and
 * image unpacking; the kernel's page tables and slabs grow with the memory. */
#define MACHINE_RESERVE_BYTES (96ll * 1024 * 1024)
#define MACHINE_RESERVE_SHARE 32 /* and one part in so many */

struct machine {
    int64_t cru_milli; /* 1000 for each logical CPU that is online: CPU time is shared, so nothing is left out */
    int64_t mru_bytes; /* MemTotal less the reserve */
    char vendor[128], product[128], bios[128]; /* DMI; "" when it says nothing */
    char cpu[128];                             /* "model name" of /proc/cpuinfo */
    char hypervisor[64];                       /* "" on bare metal */
    char os_version[128];
};

/* Reads everything below `root` ("" on a node); what is missing stays empty. */
void machine_read(const char *root, struct machine *ret_machine);

/* What is in use now: busy CPUs since the call before (`busy`, `total` keep the counters between calls, zero at first)
 * and memory that isn't available. Storage is left zero. */
struct resources machine_used(const char *root, int64_t cru_milli, uint64_t *busy, uint64_t *total);

/* What a machine with so much memory offers. */
int64_t machine_offered_bytes(int64_t total_bytes);
