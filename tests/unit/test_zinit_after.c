/* The order of services, without processes: who waits, who is woken, who is in a circle. */

#include "zinit/after.h"
#include "zinit/supervisor.h"

#include "lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICES 7
#define GRAPHS 400

static char dir[64];
static struct supervisor supervisor;
static int error_fd; /* standard error as it was: the supervisor takes it over */

static int begin(void **state)
{
    error_fd = dup(STDERR_FILENO);
    strcpy(dir, "/tmp/zinit-test-XXXXXX");
    return mkdtemp(dir) && supervisor_open(&supervisor, dir, true) == 0 ? 0 : -1;
}

static int end(void **state)
{
    supervisor_close(&supervisor);
    dup2(error_fd, STDERR_FILENO);
    close(error_fd);
    return file_remove_tree(dir);
}

static struct service *add(const char *name, const char *after)
{
    char path[256], text[256];
    struct service *service;
    struct reason reason;

    snprintf(path, sizeof path, "%s/%s.yaml", dir, name);
    snprintf(text, sizeof text, "exec: /nonexistent\nafter: [%s]\n", after);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
    assert_int_equal(supervisor_add(&supervisor, name, &service, &reason), 0);
    return service;
}

/* As if it were a oneshot's or a daemon's life: the state as it is after that event. */
static void moves_to(struct service *service, enum machine_state state)
{
    service->state = state;
    after_wake(service);
    supervisor_settle(&supervisor);
}

static void who_waits_is_looked_at_when_what_it_waits_for_changes(void **state)
{
    struct service *base = add("base", ""), *other = add("other", ""), *top = add("top", "base, other");

    base->state = other->state = MACHINE_SPAWNED;
    service_start(top);
    assert_int_equal(top->state, MACHINE_BLOCKED);
    assert_string_equal(top->reason, "waits for base (Spawned)");
    moves_to(base, MACHINE_TEST_FAILURE);
    assert_string_equal(top->reason, "waits for base (TestFailure)");
    moves_to(base, MACHINE_RUNNING);
    assert_string_equal(top->reason, "waits for other (Spawned)");
    moves_to(base, MACHINE_ERROR); /* not what it waits for now: seen when other is there */
    moves_to(other, MACHINE_RUNNING);
    assert_string_equal(top->reason, "waits for base (Error)");
    moves_to(base, MACHINE_RUNNING);
    assert_int_equal(top->state, MACHINE_FAILURE); /* was started: there is no such program */
}

static void who_waits_for_what_is_forgotten_is_told(void **state)
{
    struct service *base = add("base", ""), *top = add("top", "base"), *stopped = add("stopped", "base");

    service_start(top);
    service_start(stopped);
    assert_int_equal(top->state, MACHINE_BLOCKED);
    service_stop(stopped);
    supervisor_remove(&supervisor, base);
    assert_int_equal(top->state, MACHINE_FAILURE);
    assert_non_null(strstr(top->reason, "there is no service base"));
    assert_int_equal(stopped->state, MACHINE_UNKNOWN);
    assert_null(supervisor.due);
}

static void who_waits_may_be_forgotten_itself(void **state)
{
    struct service *base = add("base", ""), *tops[3];

    tops[0] = add("a", "base");
    tops[1] = add("b", "base");
    tops[2] = add("c", "base");
    for (size_t i = 0; i < 3; i++)
        service_start(tops[i]);
    supervisor_remove(&supervisor, tops[1]);
    assert_ptr_equal(base->waiters, tops[2]);
    assert_ptr_equal(tops[2]->next_waiter, tops[0]);
    moves_to(base, MACHINE_RUNNING);
    assert_int_equal(tops[0]->state, MACHINE_FAILURE);
    assert_int_equal(tops[2]->state, MACHINE_FAILURE);
    assert_null(base->waiters);
}

/* ---- circles, against the transitive closure (Warshall) */

static bool comes_after[SERVICES][SERVICES];

static void make_graph(unsigned edges_of_100)
{
    memset(comes_after, 0, sizeof comes_after);
    for (size_t i = 0; i < SERVICES; i++) {
        char name[2] = { (char)('a' + i), '\0' }, after[3 * SERVICES + 1] = "";
        for (size_t j = 0; j < SERVICES; j++) {
            /* to one that there isn't too: the last letter, now and then */
            if ((unsigned)rand() % 100 >= edges_of_100)
                continue;
            snprintf(after + strlen(after), sizeof after - strlen(after), "%s%c", *after ? ", " : "", (char)('a' + j));
            comes_after[i][j] = true;
        }
        if (i > 0 || rand() % 4)
            add(name, after);
        else
            memset(comes_after[i], 0, sizeof comes_after[i]);
    }
    for (size_t k = 0; k < SERVICES; k++)
        for (size_t i = 0; i < SERVICES; i++)
            for (size_t j = 0; j < SERVICES; j++)
                comes_after[i][j] |= comes_after[i][k] && comes_after[k][j];
}

static void circles_are_found_and_nothing_else_is_called_one(void **state)
{
    unsigned found = 0, clean = 0;

    srand(1);
    for (unsigned graph = 0; graph < GRAPHS; graph++) {
        make_graph(5 + graph % 25);
        for (size_t n = 0; n < 2 * SERVICES; n++) { /* twice: what is remembered is asked too */
            size_t i = (n + graph) % SERVICES;
            char name[2] = { (char)('a' + i), '\0' };
            struct service *service = supervisor_find(&supervisor, name);
            bool circle = service && after_check(service) == MACHINE_REJECT && strstr(service->reason, "circle");
            assert_int_equal(circle, comes_after[i][i]);
            circle ? found++ : clean++;
        }
        supervisor.depth++; /* nothing follows: they weren't started */
        while (supervisor.services)
            supervisor_remove(&supervisor, supervisor.services);
        supervisor.depth--;
        supervisor.log.source.on_event(&supervisor.log.source, EPOLLIN); /* takes in what was told of circles */
    }
    assert_true(found > 100 && clean > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_waits_is_looked_at_when_what_it_waits_for_changes, begin, end),
        cmocka_unit_test_setup_teardown(who_waits_for_what_is_forgotten_is_told, begin, end),
        cmocka_unit_test_setup_teardown(who_waits_may_be_forgotten_itself, begin, end),
        cmocka_unit_test_setup_teardown(circles_are_found_and_nothing_else_is_called_one, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
