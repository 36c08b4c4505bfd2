#pragma once

/* How a service tells that it is ready: a newline on a descriptor (s6), or READY=1 to a socket (sd_notify(3)). */

#include "zinit/service.h"

#define READY_VARIABLE_BYTES 64

/* Opens what the unit asks for as service->ready. *ret_fd is the child's end, the caller's, untouched when there is
 * none; ret_variable is what the child's environment needs, "NAME=value" or "". 0, or negative errno. */
int ready_open(struct service *service, int *ret_fd, char ret_variable[static READY_VARIABLE_BYTES]);
