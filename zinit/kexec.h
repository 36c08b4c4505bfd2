#pragma once

/* Another kernel, started by the one that runs: no firmware in between. */

#include "lib/reason.h"

#include <stdbool.h>

/* Is a kernel loaded that could be started? */
bool kexec_is_loaded(void);
/* Loads the kernel image in the file `kernel`, which is to begin with `line` as its command line (NULL: this one's),
 * and without an initramfs but its own (kexec_file_load(2)). 0, or REFUSED with the reason. */
int kexec_load(const char *kernel, const char *line, struct reason *reason);
