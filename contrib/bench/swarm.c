/* Many nodes of one directory, from one process. They are registered already (load's world); each waits for its feed
 * and sends a heartbeat now and then, in turns: so many have a connection at a time, and a connection asks for the next
 * node when its poll has ended. Contracts are submitted for some that wait, and the time is taken from before each is
 * sent to when its node has it.
 *
 *     swarm ADDRESS:PORT NODES WAITING POLL_S REST_S SECONDS RATE BEAT_S PID
 *
 * Each poll waits for POLL_S. First for REST_S nothing happens but waiting. Then they end, and the ones after them are
 * spread over POLL_S, as those of a real grid are, and two POLL_S go by. Then for SECONDS there are RATE contracts a
 * second and a heartbeat of each node every BEAT_S. PID is the directory's, whose memory and processor time are told.
 * WAITING is cut to what the limit of open files allows; one line of JSON tells what was reached. The loopback's
 * addresses are the sources, so that ports don't run out. */

#include "contrib/bench/grid.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
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
#define PORTS_AN_ADDRESS 20000 /* of about 28,000 that Linux gives a source address */
#define POSTERS 16             /* connections that submit and beat */
#define SETTLED_S 1            /* a poll that is this old is surely waiting */

enum kind { POLL, CONTRACT, BEAT };

struct connection {
    int fd;
    enum kind kind;
    bool busy;
    unsigned node, turn; /* a poll's: of whom it is, and how many it has sent */
    double sent_s, wait_s;
    double submitted_s; /* a contract for its node; 0: none */
};

struct swarm {
    struct sockaddr_in server;
    unsigned nodes, waiting, turn;
    double poll_s, rate, beat_s, began_s, until_s;
    pid_t directory;
    int epoll;
    struct connection *polls, posters[POSTERS];
    struct key *bot;
    char (*ids)[ID_TEXT_BYTES];
    long after; /* the newest index that is known */
    unsigned contracts, beats, delivered, late, refused, polls_ended;
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

/* ---- What the directory's process takes */

static double resident_bytes(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        fail(path);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double processor_s(pid_t pid)
{
    char path[64];
    unsigned long user = 0, kernel = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
        fail(path);
    fclose(file);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- Connections */

static void open_connection(struct swarm *swarm, struct connection *connection, unsigned number, enum kind kind)
{
    struct sockaddr_in source = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / PORTS_AN_ADDRESS) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

    *connection = (struct connection){ .kind = kind, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if (connection->fd < 0 ||
        setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)) < 0 ||
        bind(connection->fd, (struct sockaddr *)&source, sizeof source) < 0 ||
        connect(connection->fd, (struct sockaddr *)&swarm->server, sizeof swarm->server) < 0 ||
        epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        fail("connect");
}

static void send_all(struct connection *connection, const char *text)
{
    if (send(connection->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        fail("send");
    connection->sent_s = now_s();
    connection->busy = true;
}

static void poll_next(struct swarm *swarm, struct connection *connection)
{
    char text[256];

    connection->node = swarm->turn++ % swarm->nodes;
    connection->submitted_s = 0;
    connection->wait_s = swarm->poll_s;
    if (++connection->turn == 2)
        connection->wait_s = 1 + randombytes_uniform((unsigned)swarm->poll_s);
    snprintf(text, sizeof text, "GET /v1/nodes/%s/feed?after=%ld&wait=%.0f HTTP/1.1\r\nHost: bench\r\n\r\n",
             swarm->ids[connection->node], swarm->after, connection->wait_s);
    send_all(connection, text);
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
    ssize_t size = recv(connection->fd, swarm->answer, ANSWER_BYTES, 0);
    swarm->answer[size > 0 ? size : 0] = '\0';
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
    struct key *node = grid_key(GRID_NODE, poll->node);
    cleanup_free char *envelope = grid_contract(swarm->bot, node, id);
    key_free(node);
    poster->kind = CONTRACT;
    poll->submitted_s = now_s();
    post(poster, "/v1/statements", envelope);
    swarm->contracts++;
}

static void send_beat(struct swarm *swarm, struct connection *poster)
{
    unsigned number = swarm->beats++ % swarm->nodes;
    struct key *node = grid_key(GRID_NODE, number);
    cleanup_free char *envelope = grid_heartbeat(node);
    char path[128];

    key_free(node);
    snprintf(path, sizeof path, "/v1/nodes/%s/heartbeat", swarm->ids[number]);
    poster->kind = BEAT;
    post(poster, path, envelope);
}

/* What is due by the clock goes to whoever is free. */
static void send_due(struct swarm *swarm)
{
    double passed_s = now_s() - swarm->began_s;

    for (int i = 0; i < POSTERS; i++) {
        if (swarm->posters[i].busy)
            continue;
        if (swarm->contracts < passed_s * swarm->rate)
            submit_contract(swarm, &swarm->posters[i]);
        else if (swarm->beat_s > 0 && swarm->beats < passed_s * swarm->nodes / swarm->beat_s)
            send_beat(swarm, &swarm->posters[i]);
    }
}

static void take_poll(struct swarm *swarm, struct connection *poll)
{
    bool any = strstr(swarm->answer, "\"entries\":[{") != NULL;

    swarm->polls_ended++;
    if (any && poll->submitted_s)
        swarm->latencies_s[swarm->delivered++] = now_s() - poll->submitted_s;
    else if (poll->submitted_s)
        swarm->late++; /* the poll ended first */
    if (now_s() < swarm->until_s)
        poll_next(swarm, poll);
}

static void take_answer(struct swarm *swarm, struct connection *connection)
{
    ssize_t size = recv(connection->fd, swarm->answer, ANSWER_BYTES, 0);

    if (size <= 0)
        fail("the directory ended a connection");
    swarm->answer[size] = '\0';
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

/* Until `until_s`. */
static void run(struct swarm *swarm, double until_s, bool active)
{
    struct epoll_event events[EVENTS];

    while (now_s() < until_s) {
        int count = epoll_wait(swarm->epoll, events, EVENTS, 10);
        for (int i = 0; i < count; i++)
            take_answer(swarm, events[i].data.ptr);
        if (active)
            send_due(swarm);
    }
}

/* ---- */

static void open_swarm(struct swarm *swarm, char **argv)
{
    struct rlimit limit;
    const char *colon = strchr(argv[1], ':');

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    swarm->server = (struct sockaddr_in){ .sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                          .sin_port = htons(colon ? (uint16_t)atoi(colon + 1) : 0) };
    swarm->nodes = (unsigned)atoi(argv[2]);
    swarm->waiting = (unsigned)atoi(argv[3]);
    if (swarm->waiting > limit.rlim_cur - FILES_RESERVED)
        swarm->waiting = (unsigned)limit.rlim_cur - FILES_RESERVED;
    swarm->poll_s = atof(argv[4]);
    swarm->rate = atof(argv[7]);
    swarm->beat_s = atof(argv[8]);
    swarm->directory = atoi(argv[9]);
    swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
    swarm->polls = calloc(swarm->waiting, sizeof *swarm->polls);
    swarm->ids = calloc(swarm->nodes, sizeof *swarm->ids);
    swarm->latencies_s = calloc((size_t)(swarm->rate * atof(argv[6])) + 1000, sizeof(double));
    swarm->bot = grid_key(GRID_BOT, 0);
    for (unsigned i = 0; i < swarm->nodes; i++) {
        struct key *node = grid_key(GRID_NODE, i);
        memcpy(swarm->ids[i], key_id(node), ID_TEXT_BYTES);
        key_free(node);
    }
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double quantile_ms(const struct swarm *swarm, double part)
{
    return swarm->delivered ? 1e3 * swarm->latencies_s[(size_t)((swarm->delivered - 1) * part)] : 0;
}

int main(int argc, char **argv)
{
    static struct swarm swarm;

    log_open("swarm");
    signal(SIGPIPE, SIG_IGN);
    if (argc != 10 || sodium_init() < 0) {
        log_error("usage: swarm ADDRESS:PORT NODES WAITING POLL_S REST_S SECONDS RATE BEAT_S PID");
        return 2;
    }
    open_swarm(&swarm, argv);
    double rest_s = atof(argv[5]), seconds = atof(argv[6]);
    open_connection(&swarm, &swarm.posters[0], 0, BEAT);
    read_size(&swarm, &swarm.posters[0]);
    close(swarm.posters[0].fd);
    double before_bytes = resident_bytes(swarm.directory);
    swarm.until_s = now_s() + 1e9;
    for (unsigned i = 0; i < swarm.waiting; i++) {
        open_connection(&swarm, &swarm.polls[i], i, POLL);
        poll_next(&swarm, &swarm.polls[i]);
        if (i % 100 == 99) /* no more at once than the directory's queue of new connections holds */
            run(&swarm, now_s() + 0.02, false);
    }
    run(&swarm, now_s() + 2 * SETTLED_S, false);
    double after_bytes = resident_bytes(swarm.directory), before_s = processor_s(swarm.directory), began_s = now_s();
    run(&swarm, began_s + rest_s, false);
    double rest_cpu = (processor_s(swarm.directory) - before_s) / (now_s() - began_s);
    run(&swarm, began_s + swarm.poll_s, false);
    before_s = processor_s(swarm.directory), began_s = now_s();
    unsigned before_polls = swarm.polls_ended;
    run(&swarm, began_s + swarm.poll_s, false);
    double turn_cpu = (processor_s(swarm.directory) - before_s) / (now_s() - began_s);
    double turns = (swarm.polls_ended - before_polls) / (now_s() - began_s);
    double turned_bytes = resident_bytes(swarm.directory);
    before_s = processor_s(swarm.directory);
    for (unsigned i = 0; i < POSTERS; i++) /* not before: the directory ends what is idle for long */
        open_connection(&swarm, &swarm.posters[i], 0, BEAT);
    swarm.began_s = now_s();
    run(&swarm, swarm.began_s + seconds, true);
    double active_cpu = (processor_s(swarm.directory) - before_s) / (now_s() - swarm.began_s);
    run(&swarm, now_s() + 2, false);
    qsort(swarm.latencies_s, swarm.delivered, sizeof *swarm.latencies_s, compare);
    printf("{\"nodes\": %u, \"waiting\": %u, \"bytes_a_node\": %.0f, \"bytes_later\": %.0f, \"rest_cpu\": %.4f, "
           "\"turn_cpu\": %.4f, \"turns\": %.0f, \"active_cpu\": %.4f,"
           " \"contracts\": %u, \"delivered\": %u, \"late\": %u, \"beats\": %u, \"refused\": %u, \"polls\": %u,"
           " \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}\n",
           swarm.nodes, swarm.waiting, (after_bytes - before_bytes) / swarm.waiting,
           (turned_bytes - before_bytes) / swarm.waiting, rest_cpu, turn_cpu, turns, active_cpu, swarm.contracts,
           swarm.delivered, swarm.late, swarm.beats, swarm.refused, swarm.polls_ended, quantile_ms(&swarm, 0.5),
           quantile_ms(&swarm, 0.99), quantile_ms(&swarm, 1));
    return EXIT_SUCCESS;
}
