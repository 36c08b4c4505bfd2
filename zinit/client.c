/* Commands: most are one call, its answer printed plainly. `log` speaks the text protocol, which tells what is kept and
 * goes on; `restart` waits until the old process is gone; `stats` looks twice, so that it tells of now. */

#include "zinit/client.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/rpc.h"
#include "zinit/kexec.h"
#include "zinit/print.h"
#include "zinit/unit.h"
#include "zinit/yaml.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define TIMEOUT_MS 10000
#define STATS_MS 500
#define RESTART_LOOK_MS 100
#define RESTART_LOOKS 1200

struct command {
    const char *name, *method, *first, *second; /* the parameters' names; NULL: none */
    int least;                                  /* how many must be given */
    int (*run)(const char *socket_path, const struct command *command, const cJSON *params);
};

static int report(const struct reason *reason)
{
    fprintf(stderr, "zinit: %s\n", reason->text);
    return 1;
}

/* The answer, the caller's; NULL, and told, when there is none. */
static cJSON *ask(const char *socket_path, const char *method, const cJSON *params)
{
    struct reason reason = { "" };
    cJSON *answer = NULL;

    if (rpc_call(socket_path, method, params, TIMEOUT_MS, &answer, NULL, &reason) == 0)
        return answer;
    report(&reason);
    return NULL;
}

static int call(const char *socket_path, const char *method, const cJSON *params)
{
    cleanup_json cJSON *answer = ask(socket_path, method, params);

    if (answer)
        print_value(stdout, answer);
    return answer ? 0 : 1;
}

static int run_call(const char *socket_path, const struct command *command, const cJSON *params)
{
    return call(socket_path, command->method, params);
}

/* ---- those that are more than a call */

static int64_t pid_of(const cJSON *status)
{
    return json_integer(status, "pid");
}

static int run_restart(const char *socket_path, const struct command *command, const cJSON *params)
{
    cleanup_json cJSON *before = ask(socket_path, "service_status", params);
    cleanup_json cJSON *done = before ? ask(socket_path, command->method, params) : NULL;

    if (!done)
        return 1;
    for (int i = 0; i < RESTART_LOOKS; i++) {
        cleanup_json cJSON *now = ask(socket_path, "service_status", params);
        if (!now)
            return 1;
        if (pid_of(before) == 0 || pid_of(now) != pid_of(before))
            return 0;
        poll(NULL, 0, RESTART_LOOK_MS);
    }
    fprintf(stderr, "zinit: it is still being stopped: zinit status tells\n");
    return 1;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static const cJSON *find_child(const cJSON *children, int64_t pid)
{
    const cJSON *child;

    cJSON_ArrayForEach(child, children) {
        if (pid_of(child) == pid)
            return child;
    }
    return NULL;
}

/* Puts the percentage between the two looks in the place of that since the begin. */
static void tell_between(cJSON *now, const cJSON *before, int64_t between_ms)
{
    int64_t cpu_ms = before ? json_integer(now, "cpu_time_ms") - json_integer(before, "cpu_time_ms") : 0;
    double percent = (double)cpu_ms * 100 / (double)between_ms / (double)sysconf(_SC_NPROCESSORS_ONLN);

    cJSON_ReplaceItemInObjectCaseSensitive(now, "cpu_usage",
                                           cJSON_CreateNumber((double)(int64_t)(percent * 10 + 0.5) / 10));
}

static int run_stats(const char *socket_path, const struct command *command, const cJSON *params)
{
    cleanup_json cJSON *before = ask(socket_path, command->method, params), *now = NULL;
    int64_t began_ms = now_ms(), between_ms;
    cJSON *child;

    if (!before)
        return 1;
    poll(NULL, 0, STATS_MS);
    now = ask(socket_path, command->method, params);
    if (!now)
        return 1;
    between_ms = now_ms() - began_ms;
    tell_between(now, pid_of(now) == pid_of(before) ? before : NULL, between_ms);
    tell_between(cJSON_GetObjectItemCaseSensitive(now, "total"), json_member(before, "total"), between_ms);
    cJSON_ArrayForEach(child, json_member(now, "children"))
        tell_between(child, find_child(json_member(before, "children"), pid_of(child)), between_ms);
    print_value(stdout, now);
    return 0;
}

/* Any method of any of the node's sockets. That it answers at all is what a health check asks. */
static int call_other(const char *socket_path, const char *method, const char *text)
{
    cleanup_json cJSON *params = text ? cJSON_Parse(text) : NULL;

    if (text && !cJSON_IsObject(params) && !cJSON_IsArray(params)) {
        fprintf(stderr, "zinit: call: %s is no object or array in JSON\n", text);
        return 2;
    }
    return call(socket_path, method, params);
}

/* A unit's file, YAML or JSON. */
static int create(const char *socket_path, const char *name, const char *file)
{
    cleanup_json cJSON *params = cJSON_CreateObject();
    cleanup_free char *text = NULL;
    struct reason reason = { "" };
    cJSON *content;
    size_t size;
    int error = file_read(file, UNIT_FILE_BYTES_MAX, &text, &size);

    if (error == 0)
        error = yaml_to_json(text, size, &content, &reason);
    if (error) {
        fprintf(stderr, "zinit: %s: %s\n", file, error == REFUSED ? reason.text : strerror(-error));
        return 1;
    }
    cJSON_AddStringToObject(params, "name", name);
    cJSON_AddItemToObject(params, "content", content);
    return call(socket_path, "service_create", params);
}

static int kexec(const char *socket_path, const char *kernel, const char *line)
{
    cleanup_json cJSON *params = cJSON_CreateObject();
    struct reason reason = { "" };

    if (kernel)
        return kexec_load(kernel, line, &reason) == 0 ? 0 : report(&reason);
    cJSON_AddTrueToObject(params, "kexec");
    return call(socket_path, "system_reboot", params);
}

/* ---- log */

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= sizeof address.sun_path)
        errno = ENAMETOOLONG;
    else if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return steal_fd(&fd);
    fprintf(stderr, "zinit: log at %s: %s\n", path, strerror(errno));
    return -1;
}

/* Lines go to standard output as they come. What begins like an answer is one: it says why there are no lines. */
static int copy_lines(int fd)
{
    char bytes[16384];
    ssize_t size;
    bool first = true;

    while ((size = recv(fd, bytes, sizeof bytes, 0)) > 0 || (size < 0 && errno == EINTR)) {
        if (size > 0 && first && bytes[0] == '{') {
            cleanup_json cJSON *answer = cJSON_ParseWithLength(bytes, (size_t)size);
            const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "body"));
            fprintf(stderr, "zinit: log: %s\n", why ? why : "refused");
            return 1;
        }
        first = false;
        if (size > 0 && (fwrite(bytes, 1, (size_t)size, stdout) != (size_t)size || fflush(stdout) != 0))
            return 1;
    }
    return 0;
}

static int log_lines(const struct options *options, const char *name)
{
    cleanup_close int fd = -1;
    char command[UNIT_NAME_BYTES_MAX + 32];
    int size;

    if (name && !unit_name_fits(name)) {
        fprintf(stderr, "zinit: log: %s is no name of a service\n", name);
        return 1;
    }
    fd = connect_to(options->socket_path);
    if (fd < 0)
        return 1;
    size = snprintf(command, sizeof command, "log%s%s%s\n", options->snapshot ? " snapshot" : "", name ? " " : "",
                    name ? name : "");
    if (send(fd, command, (size_t)size, MSG_NOSIGNAL) != size)
        return 1;
    return copy_lines(fd);
}

/* ---- all of them */

static const struct command COMMANDS[] = {
    { "list", "service_list", NULL, NULL, 0, run_call },
    { "status", "service_status", "name", NULL, 1, run_call },
    { "start", "service_start", "name", NULL, 1, run_call },
    { "stop", "service_stop", "name", NULL, 1, run_call },
    { "restart", "service_restart", "name", NULL, 1, run_restart },
    { "kill", "service_kill", "name", "signal", 1, run_call },
    { "monitor", "service_monitor", "name", NULL, 1, run_call },
    { "forget", "service_forget", "name", NULL, 1, run_call },
    { "stats", "service_stats", "name", NULL, 1, run_stats },
    { "get", "service_get", "name", NULL, 1, run_call },
    { "delete", "service_delete", "name", NULL, 1, run_call },
    { "shutdown", "system_shutdown", NULL, NULL, 0, run_call },
    { "reboot", "system_reboot", NULL, NULL, 0, run_call },
};

void client_help(void)
{
    puts("zinit, the supervisor\n"
         "\n"
         "  zinit init [-c DIR] [-b LINES] [--container]\n"
         "                       supervise the units in DIR (/etc/zinit); keep LINES of each one's log at most;\n"
         "                       --container: as a container's PID 1, or as an ordinary process\n"
         "  zinit check DIR      tell all that is wrong in a folder of units; exit code 1 if anything is\n"
         "  zinit console        show the node's state as it changes\n"
         "\n"
         "Commands to the zinit that runs, at the socket -s SOCKET (/run/zinit.sock):\n"
         "\n"
         "  list                 all services and their states\n"
         "  status NAME          one service in full\n"
         "  start NAME           want it up\n"
         "  stop NAME            want it down\n"
         "  restart NAME         stop it, start it again, and wait until the old process is gone\n"
         "  kill NAME [SIGNAL]   send its process a signal (SIGTERM)\n"
         "  stats NAME           memory and CPU of its processes\n"
         "  log [-s] [NAME]      its lines, or those of all, and those to come; -s, --snapshot: not those;\n"
         "                       --boot -1: of the boot before this one, from the disk\n"
         "\n"
         "  create NAME FILE     store a unit, YAML or JSON, in the folder of units\n"
         "  get NAME             a unit as it is stored\n"
         "  delete NAME          remove a unit's file\n"
         "  monitor NAME         read its unit and start it\n"
         "  forget NAME          drop a service that is down\n"
         "\n"
         "  shutdown             stop all and power off\n"
         "  reboot               stop all and start again\n"
         "  kexec KERNEL [LINE]  load a kernel to start with LINE (or this one's) as its command line\n"
         "  kexec                stop all and start the kernel that was loaded\n"
         "\n"
         "Commands to whoever has a socket of the node:\n"
         "\n"
         "  call SOCKET METHOD [PARAMS]\n"
         "                       ask it, and print the answer; PARAMS is JSON; 1 when none comes within 10 s\n"
         "\n"
         "Exit code: 0 done, 1 refused, 2 not understood.");
}

static int run_command(const struct options *options, const struct command *command, int count, char **words)
{
    cleanup_json cJSON *params = cJSON_CreateObject();
    int most = (command->first != NULL) + (command->second != NULL);

    if (count - 1 < command->least || count - 1 > most) {
        fprintf(stderr, "zinit: %s takes %s; `zinit help` tells more\n", command->name,
                most == 0         ? "nothing"
                : command->second ? "the name of a service and a signal"
                                  : "the name of a service");
        return 2;
    }
    if (count > 1)
        cJSON_AddStringToObject(params, command->first, words[1]);
    if (command->second)
        cJSON_AddStringToObject(params, command->second, count > 2 ? words[2] : "SIGTERM");
    return command->run(options->socket_path, command, params);
}

int client_run(const struct options *options, int count, char **words)
{
    const char *name = count > 0 ? words[0] : "list";

    if (count == 3 && strcmp(name, "create") == 0)
        return create(options->socket_path, words[1], words[2]);
    if (count <= 3 && strcmp(name, "kexec") == 0)
        return kexec(options->socket_path, count > 1 ? words[1] : NULL, count > 2 ? words[2] : NULL);
    if (count >= 3 && count <= 4 && strcmp(name, "call") == 0)
        return call_other(words[1], words[2], count > 3 ? words[3] : NULL);
    if (count <= 2 && strcmp(name, "log") == 0)
        return log_lines(options, count > 1 ? words[1] : NULL);
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++)
        if (strcmp(name, COMMANDS[i].name) == 0)
            return run_command(options, &COMMANDS[i], count > 0 ? count : 1, words);
    fprintf(stderr, "zinit: there is no command %s so; `zinit help` lists them\n", name);
    return 2;
}
