/* What the journal has said yes to is there after a kill at any moment; what it hasn't, isn't there by half. */

#include "lib/file.h"
#include "provisiond/journal.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char folder[64], path[128];

static struct journal_contract contract(int n)
{
    struct journal_contract contract = {
        .index = n, .envelope = "{\"exact\":\"bytes\"}", .envelope_size = 17, .state = "deploying", .message = ""
    };

    snprintf(contract.id, sizeof contract.id, "%064d", n);
    return contract;
}

static int count(void *context, const struct journal_contract *row)
{
    int *counted = context;

    assert_int_equal(row->envelope_size, 17);
    assert_memory_equal(row->envelope, "{\"exact\":\"bytes\"}", 17);
    assert_false(row->over);
    (*counted)++;
    return 0;
}

static int live(struct journal *journal)
{
    int counted = 0;

    assert_int_equal(journal_each(journal, count, &counted), 0);
    return counted;
}

static struct journal *open_journal(void)
{
    struct journal *journal;

    assert_int_equal(journal_open(path, &journal), 0);
    return journal;
}

static void contracts_are_kept_until_they_are_over(void **state)
{
    struct journal *journal = open_journal();
    struct journal_contract one = contract(1), two = contract(2);

    assert_int_equal(live(journal), 0);
    assert_int_equal(journal_add_contract(journal, &one), 0);
    assert_int_equal(journal_add_contract(journal, &two), 0);
    assert_int_equal(journal_add_contract(journal, &one), -EEXIST);
    assert_int_equal(journal_set_state(journal, one.id, "running", ""), 0);
    assert_int_equal(journal_set_ending(journal, one.id), 0);
    assert_int_equal(live(journal), 2);
    assert_false(journal_is_over(journal, one.id));
    assert_int_equal(journal_set_over(journal, one.id), 0);
    assert_true(journal_is_over(journal, one.id));
    assert_false(journal_is_over(journal, "x"));
    journal_close(journal);
    journal = open_journal();
    assert_int_equal(live(journal), 1);
    assert_true(journal_has(journal, one.id));
    assert_false(journal_has(journal, "x"));
    journal_close(journal);
}

static void small_things_are_kept_under_their_names(void **state)
{
    struct journal *journal = open_journal();
    char *value;

    assert_int_equal(journal_get(journal, JOURNAL_CHECKPOINT, &value), 0);
    assert_null(value);
    assert_int_equal(journal_set(journal, JOURNAL_CHECKPOINT, "first"), 0);
    assert_int_equal(journal_set(journal, JOURNAL_CHECKPOINT, "second"), 0);
    assert_int_equal(journal_get(journal, JOURNAL_CHECKPOINT, &value), 0);
    assert_string_equal(value, "second");
    free(value);
    journal_close(journal);
}

static void the_outbox_gives_results_in_their_order(void **state)
{
    struct journal *journal = open_journal();
    struct journal_result result;

    assert_int_equal(journal_first_result(journal, &result), 0);
    assert_int_equal(result.number, 0);
    assert_int_equal(journal_add_result(journal, "{\"n\":1}"), 0);
    assert_int_equal(journal_add_result(journal, "{\"n\":2}"), 0);
    assert_int_equal(journal_first_result(journal, &result), 0);
    assert_string_equal(result.payload, "{\"n\":1}");
    assert_null(result.envelope);
    assert_int_equal(journal_set_signed(journal, result.number, "signed", 99), 0);
    journal_result_close(&result);
    assert_int_equal(journal_first_result(journal, &result), 0);
    assert_string_equal(result.envelope, "signed");
    assert_int_equal(result.signed_at, 99);
    assert_int_equal(journal_remove_result(journal, result.number), 0);
    journal_result_close(&result);
    assert_int_equal(journal_first_result(journal, &result), 0);
    assert_string_equal(result.payload, "{\"n\":2}");
    journal_result_close(&result);
    journal_close(journal);
}

static void a_group_is_kept_as_a_whole_or_not_at_all(void **state)
{
    struct journal *journal = open_journal();
    struct journal_contract one = contract(1), two = contract(2);

    assert_int_equal(journal_begin(journal), 0);
    assert_int_equal(journal_add_contract(journal, &one), 0);
    journal_rollback(journal);
    assert_int_equal(live(journal), 0);
    assert_int_equal(journal_begin(journal), 0);
    assert_int_equal(journal_add_contract(journal, &one), 0);
    assert_int_equal(journal_add_contract(journal, &two), 0);
    assert_int_equal(journal_commit(journal), 0);
    assert_int_equal(live(journal), 2);
    journal_close(journal);
}

/* A child adds contracts, a group of one and its result, and tells each that it has committed; it is killed in the
 * middle. */
static void add_until_killed(int out)
{
    struct journal *journal;

    if (journal_open(path, &journal) < 0)
        _exit(1);
    for (int n = 1;; n++) {
        struct journal_contract row = contract(n);
        if (journal_begin(journal) < 0 || journal_add_contract(journal, &row) < 0 ||
            journal_add_result(journal, "{}") < 0 || journal_commit(journal) < 0 ||
            write(out, &n, sizeof n) != sizeof n)
            _exit(1);
    }
}

static int results(struct journal *journal)
{
    struct journal_result result;
    int n = 0;

    while (journal_first_result(journal, &result) == 0 && result.number) {
        n++;
        assert_int_equal(journal_remove_result(journal, result.number), 0);
        journal_result_close(&result);
    }
    return n;
}

static void what_was_committed_survives_a_kill_at_any_moment(void **state)
{
    for (int round = 0; round < 12; round++) {
        int pipes[2], n = 0, last = 0, kept;
        struct journal *journal;
        pid_t child;

        file_remove_tree(folder);
        mkdir(folder, 0700);
        assert_int_equal(pipe(pipes), 0);
        child = fork();
        if (child == 0)
            add_until_killed(pipes[1]);
        close(pipes[1]);
        usleep((useconds_t)(2000 + 3700 * round));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &n, sizeof n) == sizeof n)
            last = n;
        close(pipes[0]);
        journal = open_journal();
        kept = live(journal);
        assert_true(kept == last || kept == last + 1); /* committed, and killed before it could say so */
        assert_int_equal(results(journal), kept);
        journal_close(journal);
    }
}

/* The n-th write fails for want of room, for every n until all goes well. */
static void a_full_disk_loses_nothing_that_was_kept(void **state)
{
    struct journal *journal = open_journal();
    struct journal_contract one = contract(1);
    bool done = false;

    assert_int_equal(journal_add_contract(journal, &one), 0);
    journal_close(journal);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 4096; !done; room += 4096) {
        struct rlimit limit, old;
        struct journal_contract two = contract(2);
        int r;

        getrlimit(RLIMIT_FSIZE, &old);
        limit = (struct rlimit){ room, old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        r = journal_open(path, &journal);
        if (r == 0) {
            r = journal_begin(journal);
            for (int i = 0; r == 0 && i < 8; i++)
                r = journal_add_result(journal, "{\"some\":\"text\"}");
            if (r == 0)
                r = journal_add_contract(journal, &two);
            if (r == 0)
                r = journal_commit(journal);
            else
                journal_rollback(journal);
            journal_close(journal);
        }
        setrlimit(RLIMIT_FSIZE, &old);
        done = r == 0;
        journal = open_journal();
        assert_true(journal_has(journal, one.id));
        assert_int_equal(journal_has(journal, two.id), done);
        assert_int_equal(results(journal), done ? 8 : 0);
        journal_close(journal);
        assert_true(room < 1024 * 1024);
    }
}

static void a_copy_is_a_whole_journal(void **state)
{
    struct journal *journal = open_journal(), *copy;
    struct journal_contract one = contract(1);
    char other[160];

    snprintf(other, sizeof other, "%s/copy.db", folder);
    assert_int_equal(journal_add_contract(journal, &one), 0);
    assert_int_equal(journal_copy(journal, other), 0);
    assert_int_equal(journal_open(other, &copy), 0);
    assert_int_equal(live(copy), 1);
    journal_close(copy);
    journal_close(journal);
}

static void a_journal_of_a_newer_program_is_left_alone(void **state)
{
    struct journal *journal = open_journal();
    sqlite3 *database;

    journal_close(journal);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    assert_int_equal(journal_open(path, &journal), -EPROTO);
}

static int set_up(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/test-journal-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/journal.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    return file_remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contracts_are_kept_until_they_are_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_things_are_kept_under_their_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_outbox_gives_results_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_is_kept_as_a_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_committed_survives_a_kill_at_any_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing_that_was_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_is_a_whole_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_journal_of_a_newer_program_is_left_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
