#pragma once

/* The kernel's messages as one more stream of lines, named `kernel`. The kernel writes them to the consoles itself, as
 * far as its log level lets it; so they aren't shown there once more. */

#include "zinit/logs.h"

struct kernel_log {
    struct log_stream stream;
    uint64_t next_sequence; /* of the record that should come next; 0: none came yet */
};

/* Reads /dev/kmsg from the oldest message that the kernel still has. `fd` (O_NONBLOCK) is taken over; a read gives one
 * record. 0, or negative errno, logged. */
int kernel_open(struct kernel_log *kernel, struct logs *logs, int fd);
/* Fine when it was never opened. */
void kernel_close(struct kernel_log *kernel);
