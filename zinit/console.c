/* The console process: asks, and shows what it was told on each console. It blocks as it likes, being no part of PID 1;
 * a daemon that doesn't answer in time is shown as such.
 *
 * A screen has the page at its top (frame.h), drawn anew each time. A line whose size nobody knows, a serial one, gets
 * the page below what it had before, and only when it says something new.
 *
 * It looks every 10 s, more often while something isn't well, and at once when the kernel tells of links or addresses:
 * each look wakes the daemons, so an idle node is left alone. */

#include "zinit/console.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/rpc.h"
#include "zinit/census.h"
#include "zinit/consoles.h"
#include "zinit/frame.h"
#include "zinit/loop.h"
#include "zinit/page.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#define FIRST_MS 4000 /* the boot has better to do before */
#define EVERY_MS 10000
#define UNWELL_MS 2000
#define SETTLE_MS 300 /* after a change of links */
#define TIMEOUT_MS 1000
#define WRITE_MS 5000 /* a serial line that takes nothing for so long is passed over */
#define DISPLAYS_MAX 4
#define SCREEN_ROWS_MIN 20
#define SCREEN_COLUMNS_MIN 60
#define WARNING_LEVEL 4 /* syslog's */
#define WARNINGS_MAX 12

struct console_display {
    int fd;
    bool screen; /* else its size isn't known */
    struct frame frame;
    char *said; /* the page that a line got last, without ages */
};

struct console {
    struct console_display displays[DISPLAYS_MAX];
    size_t displays_count;
    int links_fd, signals_fd;
    struct qr qr;
    char qr_text[64]; /* what it says */
};

/* What was answered. */
struct console_answers {
    cJSON *services, *disks, *network, *provision, *warnings;
};

/* ---- asking */

/* `params` (may be NULL) are taken over. */
static cJSON *ask(const char *daemon, const char *method, cJSON *params)
{
    const char *run = getenv("ZOS_RUN");
    char path[108];
    cJSON *answer = NULL;
    struct reason reason;

    snprintf(path, sizeof path, "%s/%s.sock", run ? run : "/run", daemon);
    if (rpc_call(path, method, params, TIMEOUT_MS, &answer, NULL, &reason))
        answer = NULL;
    cJSON_Delete(params);
    return answer;
}

/* In the place of the state of each service that isn't well: its whole status, which has the reason. */
static void ask_reasons(cJSON *services)
{
    cJSON *next;

    for (cJSON *service = services ? services->child : NULL; service; service = next) {
        cJSON *params = cJSON_CreateObject(), *status = NULL;
        next = service->next;
        cJSON_AddStringToObject(params, "name", service->string);
        if (page_is_well(service))
            cJSON_Delete(params);
        else
            status = ask("zinit", "service_status", params);
        if (status)
            cJSON_ReplaceItemInObjectCaseSensitive(services, service->string, status);
    }
}

static cJSON *ask_warnings(void)
{
    cJSON *params = cJSON_CreateObject();

    json_add_integer(params, "level", WARNING_LEVEL);
    json_add_integer(params, "count", WARNINGS_MAX);
    return ask("zinit", "stream_currentLogs", params);
}

static struct console_answers ask_all(void)
{
    struct console_answers answers = {
        .services = ask("zinit", "service_list", NULL),
        .disks = ask("storaged", "disk.list", NULL),
        .network = ask("netd", "status", NULL),
        .provision = ask("provisiond", "status", NULL),
        .warnings = ask_warnings(),
    };

    ask_reasons(answers.services);
    return answers;
}

static void answers_close(struct console_answers *answers)
{
    cJSON_Delete(answers->services);
    cJSON_Delete(answers->disks);
    cJSON_Delete(answers->network);
    cJSON_Delete(answers->provision);
    cJSON_Delete(answers->warnings);
}

static bool is_well(const struct console_answers *answers)
{
    struct chain chain;
    const cJSON *service;

    chain_find(answers->network, answers->provision, false, &chain);
    if (chain.done != CHAIN_STEPS || !answers->services || !answers->disks)
        return false;
    cJSON_ArrayForEach(service, answers->services)
        if (!page_is_well(service))
            return false;
    return true;
}

/* ---- showing */

static void write_whole(int fd, const char *text)
{
    size_t size = strlen(text);
    uint64_t until = loop_now_ms() + WRITE_MS;

    while (size > 0 && loop_now_ms() < until) {
        ssize_t written = write(fd, text, size);
        struct pollfd writable = { .fd = fd, .events = POLLOUT };
        if (written < 0 && errno != EAGAIN && errno != EINTR)
            return;
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        } else {
            poll(&writable, 1, WRITE_MS / 10);
        }
    }
}

/* The whole in one write, which nothing else comes in between of as long as the line takes it. */
static void say(struct console_display *display, struct page_input *input)
{
    cleanup_free char *page = NULL, *said = NULL, *whole = NULL;

    input->ages = false;
    said = page_make(input, PAGE_COLUMNS, 0);
    if (!said || (display->said && strcmp(said, display->said) == 0))
        return;
    input->ages = true;
    page = page_make(input, PAGE_COLUMNS, 0);
    if (!page || asprintf(&whole, "\n%s\n", page) < 0)
        return;
    write_whole(display->fd, whole);
    free(display->said);
    display->said = steal_pointer(said);
}

static void draw(struct console_display *display, struct page_input *input, const struct qr *qr, const cJSON *warnings)
{
    unsigned columns, rows;
    bool with_qr;
    cleanup_free char *page = NULL, *drawing = NULL;

    input->ages = true;
    frame_room(&display->frame, qr, warnings, &columns, &rows, &with_qr);
    page = page_make(input, columns, rows);
    drawing = page ? frame_draw(&display->frame, page, with_qr ? qr : NULL, warnings) : NULL;
    if (drawing)
        write_whole(display->fd, drawing);
}

/* The code of the node's id, once there is one. */
static const struct qr *make_qr(struct console *console, const cJSON *provision)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(provision, "node_id"));
    struct qr qr;

    if (id && *id && strlen(id) < sizeof console->qr_text && strcmp(id, console->qr_text) != 0 &&
        qr_make(id, &qr) == 0) {
        free(console->qr.text);
        console->qr = qr;
        strcpy(console->qr_text, id);
    }
    return console->qr.text ? &console->qr : NULL;
}

/* Asks and shows. Gives in how many ms to look again. */
static int look(struct console *console)
{
    struct console_answers answers = ask_all();
    cleanup_free char *load = census_load(""), *memory = census_memory(""), *resident = census_resident(""),
                      *listening = census_listening("");
    const struct qr *qr = make_qr(console, answers.provision);
    bool well = is_well(&answers);
    struct utsname kernel;
    time_t now = time(NULL);
    struct tm utc;
    char text[40];

    uname(&kernel);
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
    struct page_input input = { .services = answers.services,
                                .disks = answers.disks,
                                .network = answers.network,
                                .provision = answers.provision,
                                .host = kernel.nodename,
                                .kernel = kernel.release,
                                .time = text,
                                .load = load,
                                .memory = memory,
                                .resident = resident,
                                .listening = listening,
                                .uptime_s = (double)loop_now_ms() / 1000 };
    for (size_t i = 0; i < console->displays_count; i++)
        if (console->displays[i].screen)
            draw(&console->displays[i], &input, qr, answers.warnings);
        else
            say(&console->displays[i], &input);
    answers_close(&answers);
    return well ? EVERY_MS : UNWELL_MS;
}

/* ---- the process */

/* A terminal that it was started on, else the kernel's consoles. */
static void open_displays(struct console *console)
{
    int fds[DISPLAYS_MAX] = { STDOUT_FILENO };
    size_t count = isatty(STDOUT_FILENO) ? 1 : consoles_open(O_NONBLOCK, fds, DISPLAYS_MAX);
    struct winsize size;

    for (size_t i = 0; i < count; i++) {
        struct console_display *display = &console->displays[console->displays_count++];
        *display = (struct console_display){ .fd = fds[i] };
        if (ioctl(fds[i], TIOCGWINSZ, &size) < 0 || size.ws_row < SCREEN_ROWS_MIN || size.ws_col < SCREEN_COLUMNS_MIN)
            continue;
        display->screen = true;
        display->frame = (struct frame){ .rows = size.ws_row, .columns = size.ws_col };
    }
}

/* A socket that tells when links or addresses change. */
static int watch_links(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                                   .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        fd = -1;
    }
    return fd; /* without it, a change is seen a little later */
}

/* What comes says only that it is time to look; more may come with it. */
static void drain_links(int fd)
{
    char buffer[8192];

    usleep(SETTLE_MS * 1000);
    while (recv(fd, buffer, sizeof buffer, 0) > 0 || errno == ENOBUFS)
        errno = 0;
}

/* Waits until it is time to look; false when it is to end. */
static bool wait_ms(struct console *console, int ms)
{
    struct pollfd events[] = { { .fd = console->signals_fd, .events = POLLIN },
                               { .fd = console->links_fd, .events = POLLIN } };

    if (poll(events, 2, ms) <= 0)
        return true;
    if (events[0].revents)
        return false;
    drain_links(console->links_fd);
    return true;
}

/* What comes next is the node's end, which has the whole screen. */
static void end_displays(struct console *console)
{
    for (size_t i = 0; i < console->displays_count; i++) {
        cleanup_free char *text = frame_end(&console->displays[i].frame);
        if (text)
            write_whole(console->displays[i].fd, text);
    }
}

int console_run(void)
{
    static struct console console;
    sigset_t ends;
    int pause_ms = FIRST_MS;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    console.signals_fd = signalfd(-1, &ends, SFD_CLOEXEC);
    console.links_fd = watch_links();
    open_displays(&console);
    if (console.signals_fd < 0 || console.displays_count == 0)
        return log_fail(-errno, "open the consoles"), 1;
    while (wait_ms(&console, pause_ms))
        pause_ms = look(&console);
    end_displays(&console);
    return 0;
}
