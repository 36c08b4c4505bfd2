/* Cosignatures: the example of c2sp.org/tlog-cosignature for its layout, one made with Python's libsodium for its
 * bytes, and what makes a quorum. */

#include "lib/checkpoint.h"
#include "lib/cleanup.h"
#include "lib/cosignature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BODY "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define LOG_LINE                                                                                                       \
    "\xe2\x80\x94 example.com/behind-the-sofa "                                                                        \
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
/* The specification's, whose key isn't published; and ours, of the seed 00 01 … 1f, at the same second. */
#define EXAMPLE_LINE                                                                                                   \
    "\xe2\x80\x94 witness.example.com/w1 "                                                                             \
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
#define OUR_VKEY "witness.example.com/w1+a0059f11+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
#define OUR_LINE                                                                                                       \
    "\xe2\x80\x94 witness.example.com/w1 "                                                                             \
    "oAWfEQAAAABkGFDLBuRDazBLVac2NE+Y+IjbjQOcXLfF9CSDZVUIoS83rE1nFZsVE8YiWV6Ngr7lV8H6bdoBQGP/l73euDMQ9k+bBQ==\n"
#define OUR_TIME 1679315147
#define NOTE BODY "\n" LOG_LINE

static struct key *make_key(uint8_t first)
{
    uint8_t seed[KEY_SEED_BYTES];
    struct key *key;

    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)(first + i);
    assert_int_equal(key_from_seed(seed, &key), 0);
    return key;
}

static void cosigns_to_the_byte(void **state)
{
    struct note_verifier witness;
    struct key *key = make_key(0);
    struct reason reason;

    assert_int_equal(note_witness_parse(OUR_VKEY, &witness, &reason), 0);
    assert_memory_equal(witness.public, key_public(key), KEY_PUBLIC_BYTES);
    cleanup_free char *line = cosignature_sign(NOTE, OUR_TIME, &witness, key);
    assert_string_equal(line, OUR_LINE);
    cleanup_free char *again = cosignature_sign(NOTE OUR_LINE, OUR_TIME, &witness, key);
    assert_string_equal(again, OUR_LINE); /* what others signed isn't in the message */
    assert_null(cosignature_sign("no note", OUR_TIME, &witness, key));
    key_free(key);
}

static int note_times(void *context, const struct note_signature *signature, struct reason *reason)
{
    struct note_verifier witness;
    int64_t *time_s = context, found = 0;

    assert_int_equal(note_witness_parse(OUR_VKEY, &witness, reason), 0);
    if (cosignature_verify(signature, &witness, &found))
        *time_s = found;
    return 0;
}

static void tells_the_time_of_a_cosignature(void **state)
{
    int64_t time_s = 0;
    struct reason reason;

    assert_int_equal(note_walk(NOTE EXAMPLE_LINE, "note", note_times, &time_s, &reason), 0);
    assert_int_equal(time_s, 0); /* of that name, but of another key */
    assert_int_equal(note_walk(NOTE OUR_LINE, "note", note_times, &time_s, &reason), 0);
    assert_int_equal(time_s, OUR_TIME);
}

static int compare_layout(void *context, const struct note_signature *signature, struct reason *reason)
{
    static const uint8_t time_bytes[8] = { 0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb };

    if (strcmp(signature->name, "witness.example.com/w1") != 0)
        return 0;
    assert_int_equal(signature->hash, 0x8d66cf3f);
    assert_int_equal(signature->size, 72);
    assert_memory_equal(signature->bytes, time_bytes, 8);
    assert_int_equal(signature->body_size, strlen(BODY));
    *(bool *)context = true;
    return 0;
}

static void reads_the_example_of_the_specification(void **state)
{
    bool found = false;

    assert_int_equal(note_walk(NOTE EXAMPLE_LINE, "note", compare_layout, &found, NULL), 0);
    assert_true(found);
}

static void a_log_key_is_no_witness_key(void **state)
{
    static const char *const bad[] = {
        "",
        "witness.example.com/w1",
        "witness.example.com/w1+a0059f11",
        "witness.example.com/w1+a0059f12+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "witness.example.com/w2+a0059f11+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "example.com/log+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
    };
    struct note_verifier witness;
    char again[NOTE_VKEY_BYTES];
    struct reason reason;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(note_witness_parse(bad[i], &witness, &reason), REFUSED);
    assert_int_equal(note_verifier_parse(OUR_VKEY, &witness, &reason), REFUSED);
    assert_int_equal(note_witness_parse(OUR_VKEY, &witness, &reason), 0);
    note_verifier_format(&witness, again);
    assert_string_equal(again, OUR_VKEY);
}

/* ---- A quorum */

#define WITNESSES 3

struct group {
    struct key *keys[WITNESSES];
    struct cosignature_policy policy;
};

static struct group make_group(unsigned quorum)
{
    struct group group = { .policy.quorum = quorum };
    char name[] = "w0", vkey[NOTE_VKEY_BYTES];
    struct note_verifier witness;
    struct reason reason;

    for (int i = 0; i < WITNESSES; i++) {
        group.keys[i] = make_key((uint8_t)(100 + i));
        name[1] = (char)('0' + i);
        assert_int_equal(note_witness_make(name, key_public(group.keys[i]), &witness, &reason), 0);
        note_verifier_format(&witness, vkey);
        assert_int_equal(cosignature_policy_add(&group.policy, vkey, &reason), 0);
    }
    return group;
}

static void free_group(struct group *group)
{
    for (int i = 0; i < WITNESSES; i++)
        key_free(group->keys[i]);
}

/* The note with the cosignatures of the witnesses named by digits. */
static char *cosign(const struct group *group, const char *who)
{
    char *note = strdup(NOTE);

    for (; *who; who++) {
        int i = *who - '0';
        cleanup_free char *line = cosignature_sign(NOTE, 1700000000 + i, &group->policy.witnesses[i], group->keys[i]);
        char *longer;
        assert_true(asprintf(&longer, "%s%s", note, line) > 0);
        free(note);
        note = longer;
    }
    return note;
}

static void a_quorum_is_of_different_known_witnesses(void **state)
{
    static const struct {
        unsigned quorum;
        const char *who;
        int result;
    } cases[] = {
        { 0, "", 0 },          { 1, "", REFUSED }, { 1, "2", 0 },   { 2, "0", REFUSED },  { 2, "00", REFUSED },
        { 2, "000", REFUSED }, { 2, "02", 0 },     { 2, "012", 0 }, { 3, "01", REFUSED }, { 3, "210", 0 },
    };
    struct reason reason = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct group group = make_group(cases[i].quorum);
        cleanup_free char *note = cosign(&group, cases[i].who);
        assert_int_equal(cosignature_check(note, &group.policy, &reason), cases[i].result);
        free_group(&group);
    }
    assert_string_equal(reason.text, "checkpoint: is cosigned by 2 of the 3 known witnesses, 3 are needed");
}

static void strangers_do_not_count(void **state)
{
    struct group group = make_group(1);
    struct reason reason;

    assert_int_equal(cosignature_check(NOTE EXAMPLE_LINE OUR_LINE, &group.policy, &reason), REFUSED);
    free_group(&group);
}

static void a_changed_cosignature_spoils_the_note(void **state)
{
    struct group group = make_group(1);
    cleanup_free char *note = cosign(&group, "01");
    char *time_digit = strrchr(note, ' ') + 12; /* within the time of the last */
    struct reason reason;

    assert_int_equal(cosignature_check(note, &group.policy, &reason), 0);
    *time_digit = *time_digit == 'A' ? 'B' : 'A';
    assert_int_equal(cosignature_check(note, &group.policy, &reason), REFUSED);
    assert_string_equal(reason.text, "checkpoint: has a cosignature of w1 that isn't good");
    free_group(&group);
}

static void another_text_is_not_what_was_cosigned(void **state)
{
    struct group group = make_group(1);
    cleanup_free char *note = cosign(&group, "0");
    struct reason reason;

    note[strlen("example.com/behind-the-sofa\n2")] ^= 1;
    assert_int_equal(cosignature_check(note, &group.policy, &reason), REFUSED);
    free_group(&group);
}

static void no_witness_is_given_twice(void **state)
{
    struct cosignature_policy policy = { 0 };
    struct note_verifier alias;
    char vkey[NOTE_VKEY_BYTES];
    struct key *key = make_key(0);
    struct reason reason;

    assert_int_equal(cosignature_policy_add(&policy, OUR_VKEY, &reason), 0);
    assert_int_equal(cosignature_policy_add(&policy, OUR_VKEY, &reason), REFUSED);
    assert_int_equal(note_witness_make("alias", key_public(key), &alias, &reason), 0);
    note_verifier_format(&alias, vkey);
    assert_int_equal(cosignature_policy_add(&policy, vkey, &reason), REFUSED);
    assert_string_equal(reason.text, "alias has the key of witness.example.com/w1: no witness counts twice");
    key_free(key);
}

static void reads_a_policy_from_settings(void **state)
{
    static const struct {
        const char *witnesses, *quorum;
        int result;
    } cases[] = {
        { "[\"" OUR_VKEY "\"]", "1", 0 },
        { "[\"" OUR_VKEY "\"]", "0", 0 },
        { "[\"" OUR_VKEY "\"]", "2", REFUSED },
        { "[\"" OUR_VKEY "\"]", "-1", REFUSED },
        { "[\"" OUR_VKEY "\"]", "0.5", REFUSED },
        { "[\"" OUR_VKEY "\"]", "\"1\"", REFUSED },
        { "[\"" OUR_VKEY "\", 1]", "1", REFUSED },
        { "[\"x\"]", "1", REFUSED },
        { "[]", "0", 0 },
        { "[]", "1", REFUSED },
    };
    struct cosignature_policy policy;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *witnesses = cJSON_Parse(cases[i].witnesses), *quorum = cJSON_Parse(cases[i].quorum);
        assert_int_equal(cosignature_policy_from_json(witnesses, quorum, &policy, NULL), cases[i].result);
        cJSON_Delete(witnesses);
        cJSON_Delete(quorum);
    }
    assert_int_equal(cosignature_policy_from_json(NULL, NULL, &policy, NULL), 0);
    assert_int_equal(policy.quorum, 0);
}

static void a_policy_passes_through_settings(void **state)
{
    struct group group = make_group(2);
    struct cosignature_policy again;
    cJSON *object = cJSON_CreateObject();

    cosignature_policy_to_json(&group.policy, object);
    assert_int_equal(cosignature_policy_from_json(cJSON_GetObjectItem(object, "witnesses"),
                                                  cJSON_GetObjectItem(object, "witness_quorum"), &again, NULL),
                     0);
    assert_memory_equal(&again, &group.policy, sizeof again);
    cJSON_Delete(object);
    free_group(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosigns_to_the_byte),
        cmocka_unit_test(tells_the_time_of_a_cosignature),
        cmocka_unit_test(reads_the_example_of_the_specification),
        cmocka_unit_test(a_log_key_is_no_witness_key),
        cmocka_unit_test(a_quorum_is_of_different_known_witnesses),
        cmocka_unit_test(strangers_do_not_count),
        cmocka_unit_test(a_changed_cosignature_spoils_the_note),
        cmocka_unit_test(another_text_is_not_what_was_cosigned),
        cmocka_unit_test(no_witness_is_given_twice),
        cmocka_unit_test(reads_a_policy_from_settings),
        cmocka_unit_test(a_policy_passes_through_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
