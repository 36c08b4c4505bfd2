/* Cutting off is shutdown(2): libmicrohttpd, whose descriptor it is, sees the end of the connection and closes it. Each
 * phase is a list in the order in which it was entered, so that looking for those whose time is over costs only them.
 */

#include "contrib/directory/connection.h"

#include <stdlib.h>

#define QUIET_S 30
#define RECEIVING_S 20 /* 64 KiB at 4 KiB/s */
#define SENDING_S 120  /* some 2 MiB at 20 KiB/s */

static const unsigned LIFE_S[CONNECTION_PHASES] = {
    [CONNECTION_QUIET] = QUIET_S,
    [CONNECTION_RECEIVING] = RECEIVING_S,
    [CONNECTION_SENDING] = SENDING_S,
};

const char *const CONNECTION_PHASE_NAMES[CONNECTION_PHASES] = { "quiet", "receiving", "working", "sending" };

void connections_init(struct connections *connections, size_t max)
{
    *connections = (struct connections){ .max = max };
    for (unsigned i = 0; i < CONNECTION_PHASES; i++)
        ring_init(&connections->phases[i]);
}

static void cut_off(struct connection *connection)
{
    ring_remove(&connection->ring);
    shutdown(connection->fd, SHUT_RDWR);
}

static struct connection *oldest(const struct connections *connections, enum connection_phase phase)
{
    const struct ring *head = &connections->phases[phase];

    return head->next == head ? NULL : ring_owner(head->next, struct connection, ring);
}

/* When all have a request that is worked on, nobody goes; the server accepts no more until one is done. */
static void make_room(struct connections *connections)
{
    struct connection *victim = oldest(connections, CONNECTION_QUIET) ?: oldest(connections, CONNECTION_RECEIVING);

    if (!victim)
        return;
    cut_off(victim);
    connections->displaced++;
}

struct connection *connections_add(struct connections *connections, int fd, const struct sockaddr *peer,
                                   uint64_t now_ms)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection)
        return NULL;
    if (connections->max && connections_count(connections) >= connections->max)
        make_room(connections);
    *connection = (struct connection){ .fd = fd, .peer = address_of(peer), .since_ms = now_ms };
    ring_add(&connections->phases[CONNECTION_QUIET], &connection->ring);
    connections->counts[CONNECTION_QUIET]++;
    connections->opened++;
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection)
{
    connections->counts[connection->phase]--;
    ring_remove(&connection->ring);
    free(connection);
}

void connections_enter(struct connections *connections, struct connection *connection, enum connection_phase phase,
                       uint64_t now_ms)
{
    bool is_cut_off = connection->ring.next == &connection->ring;

    connections->counts[connection->phase]--;
    connections->counts[phase]++;
    connection->phase = phase;
    connection->since_ms = now_ms;
    if (is_cut_off)
        return;
    ring_remove(&connection->ring);
    ring_add(&connections->phases[phase], &connection->ring);
}

static void expire_phase(struct connections *connections, enum connection_phase phase, uint64_t now_ms)
{
    struct connection *connection;

    while ((connection = oldest(connections, phase)) && connection->since_ms + LIFE_S[phase] * 1000UL <= now_ms) {
        cut_off(connection);
        connections->late[phase]++;
    }
}

void connections_expire(struct connections *connections, uint64_t now_ms)
{
    for (enum connection_phase phase = 0; phase < CONNECTION_PHASES; phase++) {
        if (LIFE_S[phase])
            expire_phase(connections, phase, now_ms);
    }
}

void connections_cut_slow(struct connections *connections, uint64_t now_ms, unsigned slow_ms)
{
    struct connection *slow = oldest(connections, CONNECTION_SENDING);

    if (!slow || slow->since_ms + slow_ms > now_ms)
        return;
    cut_off(slow);
    connections->late[CONNECTION_SENDING]++;
}

void connections_hush(struct connections *connections)
{
    struct connection *connection;

    while ((connection = oldest(connections, CONNECTION_QUIET)))
        cut_off(connection);
}

size_t connections_count(const struct connections *connections)
{
    size_t count = 0;

    for (unsigned i = 0; i < CONNECTION_PHASES; i++)
        count += connections->counts[i];
    return count;
}
