/* add-checkpoint: the example of c2sp.org/tlog-witness, what is malformed, and what a witness does with it. */

#include "contrib/directory/witness_rules.h"

#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define H1 "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
#define H2 "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
#define NOTE                                                                                                           \
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\xe2\x80\x94 x AAAAAAAA\n"

static void reads_and_writes_the_form(void **state)
{
    struct witness_request request;
    struct reason reason;

    assert_int_equal(witness_parse("old 20852014\n" H1 H2 "\n" NOTE, &request, &reason), 0);
    assert_int_equal(request.old_size, 20852014);
    assert_int_equal(request.proof.count, 2);
    assert_int_equal(request.proof.hashes[0].bytes[0], 0x3e);
    assert_string_equal(request.note, NOTE);
    cleanup_free char *again = witness_format(request.old_size, &request.proof, request.note);
    assert_string_equal(again, "old 20852014\n" H1 H2 "\n" NOTE);
    assert_int_equal(witness_parse("old 0\n\n" NOTE, &request, &reason), 0);
    assert_int_equal(request.proof.count, 0);
}

static void refuses_what_is_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "old\n\n",
        "old \n\n",
        "old 00\n\n",
        "old 01\n\n",
        "old +1\n\n",
        "old 1 \n\n",
        "old 1\r\n\n",
        "Old 1\n\n",
        "old 1",
        "old 1\n",
        "old 1\n" H1,
        "old 1\nAAAA\n\n",
        "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw\n\n",
        "old 99999999999999999999999\n\n",
    };
    struct witness_request request;
    struct reason reason;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(witness_parse(bad[i], &request, &reason), REFUSED);
}

static void takes_63_lines_of_proof_and_no_more(void **state)
{
    char body[8192] = "old 1\n";
    struct witness_request request;

    for (int i = 0; i < 63; i++)
        strcat(body, H1);
    size_t length = strlen(body);
    strcat(body, "\n" NOTE);
    assert_int_equal(witness_parse(body, &request, NULL), 0);
    body[length] = '\0';
    strcat(body, H1 "\n" NOTE);
    assert_int_equal(witness_parse(body, &request, NULL), REFUSED);
}

/* ---- Judging: trees of up to 8 leaves, all of whose complete subtrees are at hand. */

static int read_hash(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    const char *fork = context; /* "": the true history */
    struct merkle_hash left, right;
    char entry[32];

    if (level == 0) {
        snprintf(entry, sizeof entry, "%s%d", index == 1 ? fork : "", (int)index);
        merkle_leaf(entry, strlen(entry), ret_hash);
        return 0;
    }
    read_hash(context, level - 1, 2 * index, &left);
    read_hash(context, level - 1, 2 * index + 1, &right);
    merkle_node(&left, &right, ret_hash);
    return 0;
}

static struct checkpoint head(const char *fork, uint64_t size)
{
    struct checkpoint checkpoint = { .size = size };

    assert_int_equal(merkle_root(read_hash, (void *)fork, size, &checkpoint.root), 0);
    return checkpoint;
}

static enum witness_verdict judge(const char *fork, uint64_t old, uint64_t size, uint64_t last)
{
    struct witness_request request = { .old_size = old };
    struct checkpoint submitted = head(fork, size), known = last ? head("", last) : (struct checkpoint){ 0 };

    if (old > 0 && old < size)
        assert_int_equal(merkle_prove_consistency(read_hash, (void *)fork, old, size, &request.proof), 0);
    return witness_judge(&request, &submitted, &known);
}

static void cosigns_one_history_only(void **state)
{
    static const struct {
        const char *fork;
        uint64_t old, size, last;
        enum witness_verdict verdict;
    } cases[] = {
        { "", 0, 0, 0, WITNESS_COSIGN },        { "", 0, 1, 0, WITNESS_COSIGN },
        { "", 0, 8, 0, WITNESS_COSIGN },        { "x", 0, 8, 0, WITNESS_COSIGN },
        { "", 3, 7, 3, WITNESS_COSIGN },        { "", 4, 8, 4, WITNESS_COSIGN },
        { "", 5, 5, 5, WITNESS_COSIGN },        { "", 5, 4, 5, WITNESS_BAD_SIZE },
        { "", 5, 4, 3, WITNESS_BAD_SIZE },      { "", 0, 8, 3, WITNESS_OTHER_SIZE },
        { "", 4, 8, 3, WITNESS_OTHER_SIZE },    { "", 3, 8, 0, WITNESS_OTHER_SIZE },
        { "", 2, 8, 3, WITNESS_OTHER_SIZE },    { "x", 5, 5, 5, WITNESS_FORKED },
        { "x", 5, 8, 5, WITNESS_INCONSISTENT }, { "x", 4, 8, 4, WITNESS_INCONSISTENT },
        { "x", 1, 8, 1, WITNESS_COSIGN }, /* they part at the second entry */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(judge(cases[i].fork, cases[i].old, cases[i].size, cases[i].last), cases[i].verdict);
}

static void a_proof_must_be_the_one(void **state)
{
    struct witness_request request = { .old_size = 5, .proof.count = 1 };
    struct checkpoint submitted = head("", 8), last = head("", 5), empty = { 0 };

    assert_int_equal(witness_judge(&request, &submitted, &last), WITNESS_INCONSISTENT);
    submitted = last; /* of the same size: no proof at all */
    assert_int_equal(witness_judge(&request, &submitted, &last), WITNESS_INCONSISTENT);
    request.old_size = 0;
    assert_int_equal(witness_judge(&request, &submitted, &(struct checkpoint){ 0 }), WITNESS_INCONSISTENT);
    request.proof.count = 0; /* an empty tree with a root that isn't its own */
    assert_int_equal(witness_judge(&request, &empty, &(struct checkpoint){ 0 }), WITNESS_INCONSISTENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_the_form),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(takes_63_lines_of_proof_and_no_more),
        cmocka_unit_test(cosigns_one_history_only),
        cmocka_unit_test(a_proof_must_be_the_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
