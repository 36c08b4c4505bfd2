#pragma once

/* The address to listen on. */

#include "lib/reason.h"

/* 0; or REFUSED when the text isn't an address and a port. */
int listen_check(const char *text, struct reason *reason);
/* A listening socket of the caller's. 0, or REFUSED. */
int listen_open(const char *text, int *ret_fd, struct reason *reason);
/* "127.0.0.1:8080" or "[::1]:8080": what the socket has, port 0 resolved. */
void listen_name(int fd, char *ret_name, size_t size);
