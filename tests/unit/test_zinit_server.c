/* zinit's socket under clients of every kind. The supervisor runs in a child process, as a container's would. */

#include "zinit/api.h"
#include "zinit/server.h"
#include "zinit/supervisor.h"

#include "lib/file.h"
#include "lib/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 200

static char dir[64], path[96];
static pid_t child;

static int serve(void)
{
    static struct supervisor supervisor;
    static struct server server;
    int null = open("/dev/null", O_WRONLY);

    dup2(null, STDOUT_FILENO);
    close(null);
    if (supervisor_open(&supervisor, dir, true) < 0 || server_open(&server, path, API_METHODS, &supervisor) < 0)
        return 1;
    supervisor_load(&supervisor);
    loop_run(&supervisor.loop);
    server_close(&server);
    supervisor_close(&supervisor);
    return 0;
}

static int begin(void **state)
{
    static const char unit[] = "exec: sleep 1000\n";
    char file[128];

    strcpy(dir, "/tmp/zinit-server-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/socket", dir);
    snprintf(file, sizeof file, "%s/web.yaml", dir);
    if (file_write(file, unit, sizeof unit - 1, 0600) < 0)
        return -1;
    child = fork();
    if (child == 0)
        exit(serve());
    for (int i = 0; child > 0 && i < 1000; i++) {
        cJSON *result = NULL;
        if (rpc_call(path, "service_list", NULL, 5000, &result, NULL, NULL) == 0) {
            cJSON_Delete(result);
            return 0;
        }
        usleep(10000);
    }
    return -1;
}

/* Its exit code tells of leaks and faults, as the sanitizers see them. */
static int end(void **state)
{
    int status = -1;

    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    file_remove_tree(dir);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int dial(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 10 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void says(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One line, byte by byte, so that the next one stays. */
static void hears(int fd, const char *part)
{
    char reply[4096];
    size_t size = 0;

    while (size < sizeof reply - 1 && recv(fd, &reply[size], 1, 0) == 1 && reply[size] != '\n')
        size++;
    reply[size] = '\0';
    if (!strstr(reply, part))
        fail_msg("\"%s\"\ndoesn't contain %s", reply, part);
}

static void it_still_answers(void)
{
    cJSON *result = NULL;
    struct reason reason = { "" };

    if (rpc_call(path, "service_list", NULL, 5000, &result, NULL, &reason))
        fail_msg("%s", reason.text);
    assert_string_equal(cJSON_GetObjectItem(result, "web")->valuestring, "Running");
    cJSON_Delete(result);
}

static void the_socket_is_its_owners_alone(void **state)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    it_still_answers();
}

static void half_a_line_waits_for_its_other_half(void **state)
{
    int fd = dial();

    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":7,");
    it_still_answers();
    says(fd, "\"method\":\"service_list\"}\n\n");
    hears(fd, "\"id\":7");
    close(fd);
}

static void several_requests_at_once_are_answered_in_order(void **state)
{
    int fd = dial();

    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no\"}\n[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"service_"
             "list\"}]\n");
    hears(fd, "-32601");
    hears(fd, "[{");
    close(fd);
}

static void garbage_is_told_and_endless_garbage_turned_away(void **state)
{
    static char junk[65536];
    int fd = dial();
    size_t sent = 0;

    says(fd, "\x01\xff garbage\n");
    hears(fd, "-32700");
    memset(junk, 'x', sizeof junk);
    while (sent < 100UL * 1024 * 1024 && send(fd, junk, sizeof junk, MSG_NOSIGNAL) > 0)
        sent += sizeof junk;
    assert_true(sent < 100UL * 1024 * 1024);
    hears(fd, "Line too long");
    close(fd);
    it_still_answers();
}

static void who_never_reads_is_not_read_from_for_ever(void **state)
{
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}\n";
    int fd = dial(), sent = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int idle = 0; sent < 1000000 && idle < 50;) {
        if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0) {
            sent++;
            idle = 0;
        } else {
            usleep(1000);
            idle++;
        }
    }
    assert_true(sent < 1000000);
    it_still_answers();
    close(fd);
}

static void many_clients_are_served(void **state)
{
    int fds[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial();
    for (int i = 0; i < CLIENTS; i++)
        says(fds[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}\n");
    for (int i = 0; i < CLIENTS; i++) {
        hears(fds[i], "Running");
        close(fds[i]);
    }
}

static void it_survives_running_out_of_descriptors(void **state)
{
    struct rlimit few, before;
    int fds[CLIENTS];

    assert_int_equal(prlimit(child, RLIMIT_NOFILE, NULL, &before), 0);
    few = (struct rlimit){ 24, before.rlim_max };
    assert_int_equal(prlimit(child, RLIMIT_NOFILE, &few, NULL), 0);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial();
    usleep(300000);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    usleep(500000);
    it_still_answers();
    assert_int_equal(prlimit(child, RLIMIT_NOFILE, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_socket_is_its_owners_alone, begin, end),
        cmocka_unit_test_setup_teardown(half_a_line_waits_for_its_other_half, begin, end),
        cmocka_unit_test_setup_teardown(several_requests_at_once_are_answered_in_order, begin, end),
        cmocka_unit_test_setup_teardown(garbage_is_told_and_endless_garbage_turned_away, begin, end),
        cmocka_unit_test_setup_teardown(who_never_reads_is_not_read_from_for_ever, begin, end),
        cmocka_unit_test_setup_teardown(many_clients_are_served, begin, end),
        cmocka_unit_test_setup_teardown(it_survives_running_out_of_descriptors, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
