#pragma once

/* Named network namespaces, as `ip netns` has them: a file /run/netns/<name> with the namespace mounted on it. The
 * daemon's own thread never leaves its namespace: work in another is done by a thread of its own that ends with it. */

#include <stdbool.h>

#define NETNS_FOLDER "/run/netns"
#define NETNS_PATH_BYTES 128

void netns_path(const char *name, char ret_path[static NETNS_PATH_BYTES]);
/* Makes a namespace with the name; one that is there already is kept. 0, or negative errno, logged. */
int netns_make(const char *name);
/* Takes the name away; the namespace ends with its last process. Absence is fine. 0, or negative errno, logged. */
int netns_remove(const char *name);
/* The namespace's descriptor, -ENOENT when there is none (silent), or another negative errno, logged. */
int netns_open(const char *name);
/* Runs `work` in a thread that is in the namespace, waits for its end, and gives its result; negative errno when it
 * couldn't be run. `work` must be short. */
int netns_run(int netns_fd, int (*work)(void *context), void *context);
/* A netlink socket that belongs to the namespace. The descriptor, or negative errno, logged. */
int netns_netlink(int netns_fd, int protocol);
