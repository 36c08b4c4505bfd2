/* What becomes of a contract while the other daemons of the node are killed and started again. Those are doubles: each
 * a thread that gives one answer to whatever it is asked. */

#include "lib/cleanup.h"
#include "lib/file.h"
#include "provisiond/deploy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SERVICE "c-0123456789abcdef0123-web"
#define EXAMINING                                                                                                      \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32010,\"message\":\"volumes aren't known yet\"}}\n"
#define NO_VOLUMES "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"volumes\":[]}}\n"
#define NO_NETWORKS "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"networks\":[]}}\n"
#define NOTHING "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"
#define REFUSED_FOR_GOOD "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no\"}}\n"

struct double_daemon {
    const char *answer;
    int fd;
    pthread_t thread;
};

static char folder[64];

static void *serve(void *context)
{
    struct double_daemon *self = context;
    char request[4096];
    int fd;

    while ((fd = accept(self->fd, NULL, NULL)) >= 0) {
        if (recv(fd, request, sizeof request, 0) > 0)
            send(fd, self->answer, strlen(self->answer), MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static void begin(struct double_daemon *self, const char *name, const char *answer)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.sock", folder, name);
    *self = (struct double_daemon){ .answer = answer, .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    assert_int_equal(bind(self->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(self->fd, 8), 0);
    assert_int_equal(pthread_create(&self->thread, NULL, serve, self), 0);
}

static void end(struct double_daemon *self)
{
    shutdown(self->fd, SHUT_RDWR);
    pthread_join(self->thread, NULL);
    close(self->fd);
}

static int set_up(void **state)
{
    strcpy(folder, "/tmp/zos-deploy-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return setenv("ZOS_RUN", folder, 1);
}

static int tear_down(void **state)
{
    unsetenv("ZOS_RUN");
    return file_remove_tree(folder);
}

static struct deploy contract(bool ending)
{
    struct deploy deploy = { .id = ID, .ending = ending };

    paths_set(&deploy.paths, folder, true);
    if (!ending)
        deploy.workloads = cJSON_Parse("[{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":1048576,"
                                       "\"media\":\"ssd\"}}]");
    return deploy;
}

static enum deploy_outcome outcome_of(struct deploy deploy)
{
    enum deploy_outcome outcome;

    deploy_run(&deploy);
    outcome = deploy.outcome;
    deploy_close(&deploy);
    return outcome;
}

static void a_daemon_that_is_away_is_no_failure_and_ends_nothing(void **state)
{
    assert_int_equal(outcome_of(contract(false)), DEPLOY_AWAY);
    assert_int_equal(outcome_of(contract(true)), DEPLOY_AWAY);
}

static void a_cancelled_contract_is_not_gone_while_storaged_examines_its_disks(void **state)
{
    struct double_daemon storaged, netd, zinit;

    begin(&storaged, "storaged", EXAMINING);
    begin(&netd, "netd", NO_NETWORKS);
    begin(&zinit, "zinit", NOTHING);
    assert_int_equal(outcome_of(contract(true)), DEPLOY_AWAY);
    storaged.answer = NO_VOLUMES;
    assert_int_equal(outcome_of(contract(true)), DEPLOY_GONE);
    end(&storaged);
    end(&netd);
    end(&zinit);
}

static void what_a_daemon_refuses_has_failed(void **state)
{
    struct double_daemon storaged;

    begin(&storaged, "storaged", REFUSED_FOR_GOOD);
    assert_int_equal(outcome_of(contract(false)), DEPLOY_FAILED);
    end(&storaged);
}

/* A provisiond that was killed while it made a container: the folder is there, and what goes into it isn't. */
static void an_ending_contract_takes_down_what_is_half_made(void **state)
{
    struct double_daemon storaged, netd, zinit;
    struct deploy deploy = contract(true);
    char path[PATH_BYTES + 64];

    snprintf(path, sizeof path, "%s/" SERVICE, deploy.paths.containers);
    assert_int_equal(file_make_folders(path, 0700), 0);
    begin(&storaged, "storaged", NO_VOLUMES);
    begin(&netd, "netd", NO_NETWORKS);
    begin(&zinit, "zinit", NOTHING);
    assert_int_equal(outcome_of(deploy), DEPLOY_GONE);
    assert_int_equal(access(path, F_OK), -1);
    end(&storaged);
    end(&netd);
    end(&zinit);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_daemon_that_is_away_is_no_failure_and_ends_nothing),
        IN_A_FOLDER(a_cancelled_contract_is_not_gone_while_storaged_examines_its_disks),
        IN_A_FOLDER(what_a_daemon_refuses_has_failed),
        IN_A_FOLDER(an_ending_contract_takes_down_what_is_half_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
