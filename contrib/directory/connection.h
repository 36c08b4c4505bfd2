#pragma once

/* Connections and what they are at, so that one that takes its time doesn't keep its place for ever. libmicrohttpd
 * knows only whether something moved: who sends a byte a second keeps it content. Here each phase has its time, and
 * when there are too many connections, the one that has been idle longest makes room. */

#include "contrib/directory/address.h"
#include "contrib/directory/ring.h"

enum connection_phase {
    CONNECTION_QUIET,     /* before a request's first line is there */
    CONNECTION_RECEIVING, /* its headers and body */
    CONNECTION_WORKING,   /* it is answered, or waits for news: no time of ours */
    CONNECTION_SENDING,
    CONNECTION_PHASES,
};

extern const char *const CONNECTION_PHASE_NAMES[CONNECTION_PHASES];

struct connection {
    struct ring ring; /* alone: it was cut off */
    enum connection_phase phase;
    uint64_t since_ms;
    int fd;
    bool asked; /* a first line came */
    struct address peer;
};

struct connections {
    struct ring phases[CONNECTION_PHASES]; /* the oldest first */
    size_t counts[CONNECTION_PHASES];      /* of those that are cut off too, until they are closed */
    size_t max;                            /* 0: as many as come */

    /* Since the start. */
    uint64_t opened, displaced;
    uint64_t late[CONNECTION_PHASES];
};

void connections_init(struct connections *connections, size_t max);
/* One that was accepted, in the first phase. When there are `max`, another is cut off. NULL: no memory. */
struct connection *connections_add(struct connections *connections, int fd, const struct sockaddr *peer,
                                   uint64_t now_ms);
/* It is closed: frees it. */
void connections_remove(struct connections *connections, struct connection *connection);
void connections_enter(struct connections *connections, struct connection *connection, enum connection_phase phase,
                       uint64_t now_ms);
/* Cuts off those whose phase took too long; to be called about once a second. */
void connections_expire(struct connections *connections, uint64_t now_ms);
/* Cuts off the one that has been taking its answer longest, if it does so for slow_ms at least. */
void connections_cut_slow(struct connections *connections, uint64_t now_ms, unsigned slow_ms);
/* Cuts off all that are quiet. */
void connections_hush(struct connections *connections);
size_t connections_count(const struct connections *connections);
