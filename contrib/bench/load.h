#pragma once

/* How the load generator talks to one kind of server: a connection that sends one record and gets one answer at a time.
 * Failures other than a refusal end the program. */

#include "contrib/bench/records.h"

#include <stdbool.h>

struct load_peer {
    const char *name;
    /* Connects to `target` (HTTP: ADDRESS:PORT; PostgreSQL: a connection string); *ret_fd: to be polled, readable. */
    void *(*open)(const char *target, int *ret_fd);
    void (*send)(void *connection, const struct record *record);
    /* Takes what came in. 0: the answer isn't whole yet; 1: taken; -1: refused. */
    int (*receive)(void *connection);
};

extern const struct load_peer LOAD_SUBMIT, LOAD_GET, LOAD_BEAT, LOAD_ETCD, LOAD_POSTGRESQL;
