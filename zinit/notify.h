#pragma once

/* Readiness by sd_notify(3): a datagram socket per service that isn't ready yet, told to it in $NOTIFY_SOCKET. */

#include "zinit/ready.h"

/* Opens the socket as service->ready and writes "NOTIFY_SOCKET=@…". 0, or negative errno. */
int notify_open(struct service *service, char ret_variable[static READY_VARIABLE_BYTES]);
/* What a message's text says of readiness: true when one of its lines is READY=1; *ret_status, which may be NULL, is
 * the text behind STATUS=, of *ret_size bytes, or NULL. */
bool notify_parse(const char *text, size_t size, const char **ret_status, size_t *ret_size);
