/* Many nodes of one directory, from one process. They are registered already (load's world); each waits for its feed
 * and sends a heartbeat now and then, in turns: so many have a connection at a time, and a connection asks for the next
 * node when its poll has ended. Contracts are submitted for some that wait, and the time is taken from before each is
 * sent to when its node has it.
 *
 *     swarm WAIT_AT SUBMIT_AT FIRST NODES WAITING POLL_S REST_S SECONDS RATE BEAT_S
 *
 * WAIT_AT and SUBMIT_AT are the URLs, http://127.0.0.1:PORT or https://…, of two front ends of the directory, or of the
 * same: polls and heartbeats go to the one, contracts to the other. These are NODES of the grid's nodes, from number
 * FIRST on, so that several processes can share a grid. Each poll waits for POLL_S. First for REST_S nothing happens
 * but waiting. Then they end, and the ones after them are spread over POLL_S, as those of a real grid are, and two
 * POLL_S go by. Then for SECONDS there are RATE contracts a second and a heartbeat of each node every BEAT_S. At last
 * all connections are closed at once and opened again at once, and each asks for its node's feed, then waits as before.
 * Before each of these phases `ready` is printed and a line awaited, so that who started this can look at the
 * directory's processes meanwhile and keep several swarms in step; at the end one line of JSON tells what was reached.
 * WAITING is cut to what the limit of open files allows. The loopback's addresses are the sources, so that ports don't
 * run out. */

#include "contrib/bench/grid.h"
#include "contrib/bench/wire.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FILES_RESERVED 160
#define ANSWER_BYTES 16384
#define EVENTS 256
#define PORTS_AN_ADDRESS 5000 /* of about 28,000 that Linux gives a source address: more take long to find */
#define RETURN_ADDRESSES 100  /* from here on, while the ports of those that ended are still taken */
#define POSTERS 32            /* connections: half submit, half beat */
#define SETTLED_S 1           /* a poll that is this old is surely waiting */
#define INPUT_MS 10000        /* for an answer that is due */
#define AGAIN_S 1             /* until one that was refused tries again */
#define RETURN_MAX_S 120

enum kind { POLL, CONTRACT, BEAT, RETURN /* a poll's that has no answer yet since all came back */ };

struct connection {
    struct wire wire;
    enum kind kind;
    bool shaken, busy;   /* shaken: TLS's handshake is done, if there is one */
    unsigned node, turn; /* a poll's: of whom it is, and how many it has sent */
    double sent_s, wait_s;
    double submitted_s; /* a contract for its node; 0: none */
    double again_s;     /* with RETURN: when it tries again; 0: it is trying */
};

struct swarm {
    struct sockaddr_in wait_at, submit_at;
    unsigned first, nodes, waiting, turn;
    double poll_s, rate, beat_s, began_s;
    bool tls;
    int epoll;
    struct connection *polls, posters[POSTERS];
    struct key *bot;
    char (*ids)[ID_TEXT_BYTES];
    long after; /* the newest index that is known */
    unsigned contracts, beats, delivered, late, refused, polls_ended;
    unsigned back, turned_away, knocked_again;
    size_t latencies_max;
    double *latencies_s;
    char answer[ANSWER_BYTES + 1];
};

static void fail(const char *what)
{
    log_error("swarm: %s: %s", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Connections */

/* Connects `fd`; one that comes back doesn't wait for it, since all do so at once. */
static void reach(const struct swarm *swarm, int fd, unsigned number, enum kind kind)
{
    in_addr_t address = INADDR_LOOPBACK + 1 + number / PORTS_AN_ADDRESS + (kind == RETURN ? RETURN_ADDRESSES : 0);
    struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
    const struct sockaddr_in *target = kind == CONTRACT ? &swarm->submit_at : &swarm->wait_at;

    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) < 0 ||
        bind(fd, (struct sockaddr *)&source, sizeof source) < 0 ||
        (kind == RETURN && fcntl(fd, F_SETFL, O_NONBLOCK) < 0) ||
        (connect(fd, (const struct sockaddr *)target, sizeof *target) < 0 && errno != EINPROGRESS) ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        fail("connect");
}

static void await_input(const struct connection *connection)
{
    poll(&(struct pollfd){ .fd = connection->wire.fd, .events = POLLIN }, 1, INPUT_MS);
}

static void open_connection(struct swarm *swarm, struct connection *connection, unsigned number, enum kind kind)
{
    struct epoll_event event = { .events = kind == RETURN ? EPOLLOUT : EPOLLIN, .data.ptr = connection };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), shaken = -EAGAIN;

    connection->kind = kind;
    connection->busy = false;
    connection->again_s = 0;
    reach(swarm, fd, number, kind);
    if (wire_open(&connection->wire, fd, swarm->tls) < 0)
        fail("TLS");
    while (kind != RETURN && (shaken = wire_shake(&connection->wire)) == -EAGAIN)
        await_input(connection);
    connection->shaken = shaken == 0;
    if ((kind != RETURN && shaken) || epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("the connection can't begin");
}

/* What fails for one that comes back shows when it listens for the answer. */
static void send_all(struct connection *connection, const char *text)
{
    if (wire_send(&connection->wire, text, strlen(text)) < 0 && connection->kind != RETURN)
        fail("send");
    connection->sent_s = now_s();
    connection->busy = true;
}

static void ask(struct swarm *swarm, struct connection *connection, double wait_s)
{
    char text[256];

    connection->submitted_s = 0;
    connection->wait_s = wait_s;
    snprintf(text, sizeof text, "GET /v1/nodes/%s/feed?after=%ld&wait=%.0f HTTP/1.1\r\nHost: bench\r\n\r\n",
             swarm->ids[connection->node], swarm->after, wait_s);
    send_all(connection, text);
}

static void poll_next(struct swarm *swarm, struct connection *connection)
{
    connection->node = swarm->turn++ % swarm->nodes;
    bool spread = ++connection->turn == 2;
    ask(swarm, connection, spread ? 1 + randombytes_uniform((unsigned)swarm->poll_s) : swarm->poll_s);
}

static void post(struct connection *connection, const char *path, const char *body)
{
    cleanup_free char *text = NULL;

    if (asprintf(&text, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body), body) <
        0)
        fail("post");
    send_all(connection, text);
}

/* What was logged before isn't waited for: `after` becomes the log's last index. */
static void read_size(struct swarm *swarm, struct connection *connection)
{
    const char *body;

    send_all(connection, "GET /log/checkpoint HTTP/1.1\r\nHost: bench\r\n\r\n");
    while (wire_hear(&connection->wire, swarm->answer, ANSWER_BYTES) == -EAGAIN)
        await_input(connection);
    body = strstr(swarm->answer, "\r\n\r\n");
    if (!body || !strchr(body + 4, '\n'))
        fail("the log's size can't be read");
    swarm->after = atol(strchr(body + 4, '\n') + 1) - 1;
    connection->busy = false;
}

/* ---- What happens */

/* One that has waited for a while and will for another. */
static struct connection *pick(struct swarm *swarm)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        struct connection *poll = &swarm->polls[randombytes_uniform(swarm->waiting)];
        double age_s = now_s() - poll->sent_s;
        if (!poll->submitted_s && age_s > SETTLED_S && age_s < poll->wait_s - SETTLED_S)
            return poll;
    }
    return NULL;
}

static void submit_contract(struct swarm *swarm, struct connection *poster)
{
    struct connection *poll = pick(swarm);
    char id[HASH_TEXT_BYTES];

    if (!poll)
        return;
    struct key *node = grid_key(GRID_NODE, swarm->first + poll->node);
    cleanup_free char *envelope = grid_contract(swarm->bot, node, id);
    key_free(node);
    poll->submitted_s = now_s();
    post(poster, "/v1/statements", envelope);
    swarm->contracts++;
}

static void send_beat(struct swarm *swarm, struct connection *poster)
{
    unsigned number = swarm->beats++ % swarm->nodes;
    struct key *node = grid_key(GRID_NODE, swarm->first + number);
    cleanup_free char *envelope = grid_heartbeat(node);
    char path[128];

    key_free(node);
    snprintf(path, sizeof path, "/v1/nodes/%s/heartbeat", swarm->ids[number]);
    post(poster, path, envelope);
}

/* What is due by the clock goes to whoever is free. */
static void send_due(struct swarm *swarm)
{
    double passed_s = now_s() - swarm->began_s;

    for (int i = 0; i < POSTERS; i++) {
        struct connection *poster = &swarm->posters[i];
        if (poster->busy)
            continue;
        if (poster->kind == CONTRACT && swarm->contracts < passed_s * swarm->rate)
            submit_contract(swarm, poster);
        else if (poster->kind == BEAT && swarm->beat_s > 0 && swarm->beats < passed_s * swarm->nodes / swarm->beat_s)
            send_beat(swarm, poster);
    }
}

static void take_poll(struct swarm *swarm, struct connection *poll)
{
    bool any = strstr(swarm->answer, "\"entries\":[{") != NULL;

    swarm->polls_ended++;
    if (any && poll->submitted_s && swarm->delivered < swarm->latencies_max)
        swarm->latencies_s[swarm->delivered++] = now_s() - poll->submitted_s;
    else if (poll->submitted_s)
        swarm->late++; /* the poll ended first */
    poll_next(swarm, poll);
}

static void turn_away(struct swarm *swarm, struct connection *connection)
{
    swarm->turned_away++;
    swarm->back -= connection->kind == POLL;
    connection->kind = RETURN;
    wire_close(&connection->wire);
    connection->again_s = now_s() + AGAIN_S;
}

static void take_answer(struct swarm *swarm, struct connection *connection)
{
    ssize_t size = wire_hear(&connection->wire, swarm->answer, ANSWER_BYTES);

    if (size == -EAGAIN)
        return;
    if (size <= 0 && connection->kind != POLL && !connection->busy) { /* it was idle for long */
        wire_close(&connection->wire);
        open_connection(swarm, connection, 0, connection->kind);
        return;
    }
    if (size <= 0 && swarm->back > 0) { /* all come back, and this one's place was given away */
        turn_away(swarm, connection);
        return;
    }
    if (size <= 0)
        fail("the directory ended a connection");
    connection->busy = false;
    if (size < 12 || swarm->answer[9] != '2') {
        if (swarm->refused++ == 0)
            log_warning("swarm: refused: %.400s", swarm->answer);
    } else if (connection->kind == CONTRACT) {
        const char *index = strstr(swarm->answer, "\"index\":");
        if (index && atol(index + 8) > swarm->after)
            swarm->after = atol(index + 8);
    }
    if (connection->kind == POLL)
        take_poll(swarm, connection);
}

/* ---- All come back at once */

static bool has_knocked_again(const struct connection *connection)
{
    struct tcp_info info = { 0 };

    getsockopt(connection->wire.fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){ sizeof info });
    return info.tcpi_total_retrans > 0;
}

/* Connected: the handshake, and then it asks. */
static void go_on(struct swarm *swarm, struct connection *connection)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    int error = wire_shake(&connection->wire);

    connection->shaken = error == 0;
    epoll_ctl(swarm->epoll, EPOLL_CTL_MOD, connection->wire.fd, &event);
    if (!error)
        ask(swarm, connection, 0);
    else if (error != -EAGAIN)
        turn_away(swarm, connection);
}

static void take_returned(struct swarm *swarm, struct connection *connection, uint32_t happened)
{
    if (!connection->shaken && !(happened & (EPOLLERR | EPOLLHUP))) {
        go_on(swarm, connection);
        return;
    }
    ssize_t size = wire_hear(&connection->wire, swarm->answer, ANSWER_BYTES);
    if (size == -EAGAIN)
        return;
    if (size < 12 || swarm->answer[9] != '2') {
        turn_away(swarm, connection);
        return;
    }
    swarm->back++;
    swarm->knocked_again += has_knocked_again(connection);
    connection->kind = POLL;
    ask(swarm, connection, swarm->poll_s);
}

/* Until `until_s`. */
static void run(struct swarm *swarm, double until_s, bool active)
{
    struct epoll_event events[EVENTS];

    while (now_s() < until_s) {
        int count = epoll_wait(swarm->epoll, events, EVENTS, 10);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->kind == RETURN)
                take_returned(swarm, connection, events[i].events);
            else
                take_answer(swarm, connection);
        }
        if (active)
            send_due(swarm);
    }
}

/* The next phase begins when whoever started this says so. */
static void meet(struct swarm *swarm)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char line[8];

    puts("ready");
    fflush(stdout);
    while (poll(&input, 1, 0) == 0)
        run(swarm, now_s() + 0.01, false);
    if (!fgets(line, sizeof line, stdin))
        fail("nobody waits for the result");
}

/* ---- */

static void connect_all(struct swarm *swarm)
{
    for (unsigned i = 0; i < swarm->waiting; i++) {
        open_connection(swarm, &swarm->polls[i], i, POLL);
        poll_next(swarm, &swarm->polls[i]);
        if (i % 100 == 99) /* no more at once than the directory's queue of new connections holds */
            run(swarm, now_s() + 0.02, false);
    }
    run(swarm, now_s() + 2 * SETTLED_S, false);
}

static void load(struct swarm *swarm, double seconds)
{
    for (unsigned i = 0; i < POSTERS; i++)
        open_connection(swarm, &swarm->posters[i], 0, i % 2 ? CONTRACT : BEAT);
    swarm->began_s = now_s();
    run(swarm, swarm->began_s + seconds, true);
}

static void try_again(struct swarm *swarm)
{
    for (unsigned i = 0; i < swarm->waiting; i++) {
        const struct connection *connection = &swarm->polls[i];
        if (connection->kind == RETURN && connection->again_s > 0 && connection->again_s < now_s())
            open_connection(swarm, &swarm->polls[i], i, RETURN);
    }
}

static void end_all(struct swarm *swarm)
{
    for (unsigned i = 0; i < POSTERS; i++)
        wire_close(&swarm->posters[i].wire);
    for (unsigned i = 0; i < swarm->waiting; i++)
        wire_close(&swarm->polls[i].wire);
}

/* The seconds until all wait again, and are left to it. */
static double return_all(struct swarm *swarm)
{
    double began_s = now_s(), back_s = began_s;

    end_all(swarm);
    for (unsigned i = 0; i < swarm->waiting; i++)
        open_connection(swarm, &swarm->polls[i], i, RETURN);
    while (swarm->back < swarm->waiting && now_s() < began_s + RETURN_MAX_S) {
        run(swarm, now_s() + 0.01, false);
        try_again(swarm);
        back_s = now_s();
        if (swarm->back == swarm->waiting)
            run(swarm, back_s + SETTLED_S, false);
    }
    return back_s - began_s;
}

static struct sockaddr_in address_of(const char *text)
{
    const char *colon = strrchr(text, ':');

    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons(colon ? (uint16_t)atoi(colon + 1) : 0) };
}

static unsigned open_files(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (unsigned)limit.rlim_cur;
}

static void open_swarm(struct swarm *swarm, char **argv)
{
    unsigned files = open_files();

    swarm->tls = strncmp(argv[1], "https:", 6) == 0;
    swarm->wait_at = address_of(argv[1]);
    swarm->submit_at = address_of(argv[2]);
    swarm->first = (unsigned)atoi(argv[3]);
    swarm->nodes = (unsigned)atoi(argv[4]);
    swarm->waiting = (unsigned)atoi(argv[5]);
    if (swarm->waiting > files - FILES_RESERVED)
        swarm->waiting = files - FILES_RESERVED;
    swarm->poll_s = atof(argv[6]);
    swarm->rate = atof(argv[9]);
    swarm->beat_s = atof(argv[10]);
    swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
    swarm->polls = calloc(swarm->waiting, sizeof *swarm->polls);
    swarm->ids = calloc(swarm->nodes, sizeof *swarm->ids);
    swarm->latencies_max = (size_t)(swarm->rate * atof(argv[8])) + 1000;
    swarm->latencies_s = calloc(swarm->latencies_max, sizeof(double));
    swarm->bot = grid_key(GRID_BOT, 0);
    for (unsigned i = 0; i < swarm->nodes; i++) {
        struct key *node = grid_key(GRID_NODE, swarm->first + i);
        memcpy(swarm->ids[i], key_id(node), ID_TEXT_BYTES);
        key_free(node);
    }
}

static void print_result(const struct swarm *swarm, double turns, double return_s)
{
    printf("{\"waiting\": %u, \"turns\": %.1f, \"contracts\": %u, \"late\": %u, \"beats\": %u, \"refused\": %u,"
           " \"return_s\": %.2f, \"back\": %u, \"turned_away\": %u, \"knocked_again\": %u, \"latencies_ms\": [",
           swarm->waiting, turns, swarm->contracts, swarm->late, swarm->beats, swarm->refused, return_s, swarm->back,
           swarm->turned_away, swarm->knocked_again);
    for (unsigned i = 0; i < swarm->delivered; i++)
        printf("%s%.2f", i ? ", " : "", 1e3 * swarm->latencies_s[i]);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static struct swarm swarm;

    log_open("swarm");
    signal(SIGPIPE, SIG_IGN);
    if (argc != 11 || sodium_init() < 0) {
        log_error("usage: swarm WAIT_AT SUBMIT_AT FIRST NODES WAITING POLL_S REST_S SECONDS RATE BEAT_S");
        return 2;
    }
    open_swarm(&swarm, argv);
    open_connection(&swarm, &swarm.posters[0], 0, BEAT);
    read_size(&swarm, &swarm.posters[0]);
    wire_close(&swarm.posters[0].wire);
    meet(&swarm);
    connect_all(&swarm);
    meet(&swarm);
    double began_s = now_s();
    run(&swarm, began_s + atof(argv[7]), false);
    meet(&swarm);
    run(&swarm, began_s + swarm.poll_s, false);
    meet(&swarm);
    unsigned before = swarm.polls_ended;
    began_s = now_s();
    run(&swarm, began_s + swarm.poll_s, false);
    double turns = (swarm.polls_ended - before) / (now_s() - began_s);
    meet(&swarm);
    load(&swarm, atof(argv[8]));
    meet(&swarm);
    run(&swarm, now_s() + 2, false); /* the last ones are on their way */
    meet(&swarm);
    double return_s = return_all(&swarm);
    print_result(&swarm, turns, return_s);
    return EXIT_SUCCESS;
}
