#pragma once

/* How a contract's containers are, as zinit sees them. */

#include "provisiond/deploy.h"

#define WATCH_OUTPUTS_BYTES                                                                                            \
    12288                       /* of all containers of a contract: escaped, sealed and encoded it fits an envelope    \
                                 */
#define WATCH_OUTPUT_BYTES 4096 /* the end of a container's log that goes into a result */

/* Fills outcome (UP, WAITING, BROKEN), reports and stamp. 0, or REFUSED when zinit can't be asked. */
int watch_containers(struct deploy *deploy);

/* The last `max` bytes of the lines, joined by newlines, as valid UTF-8 (what isn't becomes '?', NUL bytes can't be in
 * it). The caller's, free(); NULL when memory is out. */
char *watch_output(const cJSON *lines, size_t max);
