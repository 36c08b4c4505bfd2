/* Statements: one good payload of each kind, signed and opened; then everything in it left out, doubled, renamed or of
 * another type, by walking it. */

#include "lib/cleanup.h"
#include "lib/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#define ID "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"
#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define KEY32 "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"
#define NONCE16 "'AAAAAAAAAAAAAAAAAAAAAA=='"
#define SIG64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define BOX80                                                                                                          \
    "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"
#define UNITS "{'cru_milli':500,'mru_bytes':268435456,'sru_bytes':2147483648,'hru_bytes':0}"
#define PRIVATE                                                                                                        \
    "'private':{'nonce':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','ciphertext':'AAAAAAAAAAAAAAAAAAAAAAAA',"                   \
    "'keys':{'" ID "':" BOX80 "}}"
#define INVITE                                                                                                         \
    "{'payloadType':'application/vnd.zos.invite+json','payload':'e30=','signatures':[{'keyid':'" ID "','sig':'" SIG64  \
    "'}]}"

/* With ' for ", so that they can be read; `optional` lists the keys that may be left out. */
static const struct {
    enum statement_kind kind;
    const char *text;
    const char *optional;
} GOOD[] = {
    { STATEMENT_BOT, "{'name':'alice.example-1','description':'Alice'}", "" },
    { STATEMENT_FARM, "{'name':'a1','description':''}", "" },
    { STATEMENT_FARM,
      "{'name':'farm','description':'In the attic','location':{'country':'BE','city':'Gent','latitude':51.05,"
      "'longitude':-3.73}}",
      "location country city latitude longitude" },
    { STATEMENT_INVITE, "{'farm':1,'expires':1800000000,'nodes_max':10}", "" },
    { STATEMENT_NODE,
      "{'farm':1,'invite':" INVITE ",'hostname':'zos','os_version':'4.0','wireguard_key':" KEY32 ",'sealing_key':" KEY32
      ",'resources':" UNITS ",'disks':[{'name':'vda','media':'ssd','size_bytes':8589934592,'model':'QEMU',"
      "'read_iops':50000,'read_bytes_per_s':500000000,'state':'used'}],'machine':{'vendor':'QEMU','product':'pc',"
      "'bios':'','cpu':'QEMU TCG','hypervisor':'tcg'},'interfaces':[{'name':'eth0','mac':'52:54:00:12:34:56',"
      "'addresses':['10.0.2.15/24']}]}",
      "" },
    { STATEMENT_CONTRACT,
      "{'node':'" ID "','expires':1800000000,'nonce':" NONCE16 ",'reserves':" UNITS ",'workloads':[{'name':'data',"
      "'type':'volume','data':{'size_bytes':1073741824,'media':'ssd'}}]}",
      "" },
    { STATEMENT_CONTRACT, "{'node':'" ID "','expires':1800000000,'nonce':" NONCE16 ",'reserves':" UNITS "," PRIVATE "}",
      "" },
    { STATEMENT_CANCEL, "{'contract':'" HASH "'}", "" },
    { STATEMENT_RESULT,
      "{'contract':'" HASH "','state':'running','workloads':[{'name':'web','state':'running',"
      "'message':'','data':{}}]}",
      "" },
    { STATEMENT_RESULT, "{'contract':'" HASH "','state':'failed','message':'expired','workloads':[]}", "message" },
    { STATEMENT_RESULT, "{'contract':'" HASH "','state':'stopped'," PRIVATE "}", "" },
    { STATEMENT_HEARTBEAT,
      "{'nonce':" NONCE16 ",'uptime_s':7,'used':" UNITS ",'log_size':9007199254740991,'alerts':['disk vdb: slow']}",
      "" },
    { STATEMENT_TIME, "{'nonce':" NONCE16 ",'heartbeat_s':60,'uncosigned_s':0}", "uncosigned_s" },
};
#define GOOD_COUNT (sizeof GOOD / sizeof *GOOD)

static struct key *KEY;

static int make_key(void **state)
{
    return key_generate(&KEY);
}

static int free_key(void **state)
{
    key_free(KEY);
    return 0;
}

static cJSON *parse(const char *text)
{
    cleanup_free char *copy = strdup(text);
    cJSON *value = NULL;
    struct reason reason;

    for (char *at = copy; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    if (json_parse(copy, strlen(copy), JSON_SIZE_MAX, &value, &reason) != 0)
        fail_msg("%s: %s", text, reason.text);
    return value;
}

/* Signs the payload as it stands, without looking at it, and opens it: 0, REFUSED … */
static int open_payload(enum statement_kind kind, const cJSON *payload, struct reason *reason)
{
    cleanup_free char *text = json_print(payload);
    cleanup_free char *bytes = NULL;
    struct statement statement;
    char type[64];
    int r;

    snprintf(type, sizeof type, "application/vnd.zos.%s+json", statement_kind_name(kind));
    assert_int_equal(envelope_sign(type, text, strlen(text), KEY, &bytes, NULL), 0);
    r = statement_open(bytes, strlen(bytes), &statement, reason);
    if (r == 0)
        statement_close(&statement);
    return r;
}

/* The payload with version and created, as it is sent. */
static cJSON *complete(size_t index)
{
    cJSON *payload = parse(GOOD[index].text);

    json_add_integer(payload, "version", 1);
    json_add_integer(payload, "created", 1700000000);
    return payload;
}

static void signs_and_opens_each_kind(void **state)
{
    for (size_t i = 0; i < GOOD_COUNT; i++) {
        cleanup_json cJSON *payload = parse(GOOD[i].text);
        cleanup_free char *bytes = NULL;
        char id[HASH_TEXT_BYTES];
        struct statement statement;
        struct reason reason;
        if (statement_sign(GOOD[i].kind, payload, 1700000000, KEY, &bytes, id, &reason) != 0)
            fail_msg("%s: %s", GOOD[i].text, reason.text);
        assert_int_equal(statement_open(bytes, strlen(bytes), &statement, &reason), 0);
        assert_int_equal(statement.kind, GOOD[i].kind);
        assert_int_equal(statement.created, 1700000000);
        assert_string_equal(statement.id, id);
        assert_string_equal(statement.signer_id, key_id(KEY));
        assert_memory_equal(statement.signer, key_public(KEY), KEY_PUBLIC_BYTES);
        cleanup_free char *text = json_print(statement.payload);
        assert_memory_equal(text, "{\"version\":1,\"created\":1700000000,\"", 34);
        statement_close(&statement);
        statement_close(&statement);
    }
    statement_close(NULL);
}

static void keeps_version_and_created_that_are_there(void **state)
{
    cleanup_json cJSON *payload = parse("{'name':'bob','created':5,'description':'','version':1}");
    cleanup_free char *bytes = NULL;
    struct statement statement;

    assert_int_equal(statement_sign(STATEMENT_BOT, payload, 9, KEY, &bytes, NULL, NULL), 0);
    assert_int_equal(statement_open(bytes, strlen(bytes), &statement, NULL), 0);
    assert_int_equal(statement.created, 5);
    statement_close(&statement);
}

static void signs_nothing_that_would_be_refused(void **state)
{
    cleanup_json cJSON *payload = parse("{'name':'Bob','description':''}"), *array = parse("[]");
    cleanup_json cJSON *twice = parse("{'name':'bob','description':''}");
    char *bytes = NULL;
    struct reason reason;

    assert_int_equal(statement_sign(STATEMENT_BOT, payload, 1, KEY, &bytes, NULL, &reason), REFUSED);
    assert_string_equal(reason.text, "name: must be 2 to 63 of a-z, 0-9, '.' and '-', the first a letter or a digit");
    assert_int_equal(statement_sign(STATEMENT_BOT, array, 1, KEY, &bytes, NULL, &reason), REFUSED);
    cJSON_AddStringToObject(twice, "name", "bob");
    assert_int_equal(statement_sign(STATEMENT_BOT, twice, 1, KEY, &bytes, NULL, &reason), REFUSED);
    cJSON_DeleteItemFromObject(twice, "name");
    cJSON_ReplaceItemInObject(twice, "description", cJSON_CreateString("\xff"));
    assert_int_equal(statement_sign(STATEMENT_BOT, twice, 1, KEY, &bytes, NULL, &reason), REFUSED);
    assert_null(bytes);
}

/* ---- Walking a good payload */

/* Objects whose keys are free. */
static bool is_free(const cJSON *object)
{
    return object->string && (strcmp(object->string, "keys") == 0 || strcmp(object->string, "data") == 0);
}

static bool is_optional(size_t index, const char *name)
{
    char padded[128], wanted[64];

    snprintf(padded, sizeof padded, " %s ", GOOD[index].optional);
    snprintf(wanted, sizeof wanted, " %s ", name);
    return strstr(padded, wanted);
}

static void assert_refused(size_t index, const cJSON *payload, const char *what, const char *name)
{
    struct reason reason = { 0 };
    int r = open_payload(GOOD[index].kind, payload, &reason);

    if (r != REFUSED)
        fail_msg("%s: %s %s gave %d", GOOD[index].text, what, name, r);
    assert_true(*reason.text);
}

/* Takes the first member out, and puts it back as the last (cJSON_InsertItemInArray of Debian 12's cJSON puts nothing
 * anywhere but in front). */
static cJSON *try_without_first(size_t index, const cJSON *payload, cJSON *object)
{
    cJSON *member = cJSON_DetachItemViaPointer(object, object->child);

    if (is_optional(index, member->string))
        assert_int_equal(open_payload(GOOD[index].kind, payload, NULL), 0);
    else
        assert_refused(index, payload, "without", member->string);
    cJSON_AddItemToArray(object, member);
    return member;
}

static void try_other_types(size_t index, const cJSON *payload, cJSON *member)
{
    static const int types[] = { cJSON_NULL, cJSON_True, cJSON_Object, cJSON_Array, cJSON_Number, cJSON_String };
    cJSON before = *member;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i] == before.type)
            continue;
        member->type = types[i];
        member->child = NULL;
        member->valuestring = (char *)"\x01";
        member->valuedouble = -1e9;
        assert_refused(index, payload, "with another type of", member->string ? member->string : "item");
        *member = before;
    }
}

static void walk(size_t index, const cJSON *payload, cJSON *value)
{
    cJSON *child;

    if (cJSON_IsObject(value) && !is_free(value)) {
        cJSON_AddNullToObject(value, "unknown");
        assert_refused(index, payload, "with an unknown key in", value->string ? value->string : "it");
        cJSON_DeleteItemFromObjectCaseSensitive(value, "unknown");
    }
    child = value->child;
    for (int left = cJSON_GetArraySize(value); left > 0; left--) {
        cJSON *next = child->next;
        if (cJSON_IsObject(value))
            child = try_without_first(index, payload, value);
        try_other_types(index, payload, child);
        walk(index, payload, child);
        child = next;
    }
}

static void refuses_each_kind_with_anything_amiss(void **state)
{
    for (size_t i = 0; i < GOOD_COUNT; i++) {
        cleanup_json cJSON *payload = complete(i);
        assert_int_equal(open_payload(GOOD[i].kind, payload, NULL), 0);
        walk(i, payload, payload);
        assert_int_equal(open_payload(GOOD[i].kind, payload, NULL), 0); /* all was put back */
    }
}

static void refuses_a_payload_under_another_kind(void **state)
{
    for (size_t i = 0; i < GOOD_COUNT; i++) {
        cleanup_json cJSON *payload = complete(i);
        for (unsigned kind = 0; kind < STATEMENT_KINDS; kind++) {
            bool alike = kind == GOOD[i].kind || (kind == STATEMENT_FARM && GOOD[i].kind == STATEMENT_BOT) ||
                         (kind == STATEMENT_BOT && GOOD[i].kind == STATEMENT_FARM);
            if (!alike)
                assert_int_equal(open_payload(kind, payload, NULL), REFUSED);
        }
    }
}

/* ---- Bounds */

/* Replaces one top-level member of the good payload `index`. */
static int open_with(size_t index, const char *name, const char *value, struct reason *reason)
{
    cleanup_json cJSON *payload = complete(index);

    if (json_member(payload, name))
        cJSON_ReplaceItemInObjectCaseSensitive(payload, name, parse(value));
    else
        cJSON_AddItemToObject(payload, name, parse(value));
    return open_payload(GOOD[index].kind, payload, reason);
}

static void bounds_values(void **state)
{
    static const struct {
        size_t index;
        const char *name, *value;
        int r;
    } cases[] = {
        { 0, "version", "2", REFUSED },
        { 0, "version", "0", REFUSED },
        { 0, "created", "0", 0 },
        { 0, "created", "1.5", REFUSED },
        { 0, "created", "-1", REFUSED },
        { 0, "created", "9007199254740992", REFUSED },
        { 0, "name", "'a'", REFUSED },
        { 0, "name", "'ab'", 0 },
        { 0, "name", "'0.'", 0 },
        { 0, "name", "'.a'", REFUSED },
        { 0, "name", "'-a'", REFUSED },
        { 0, "name", "'aB'", REFUSED },
        { 0, "name", "'a_'", REFUSED },
        { 0, "name", "'a b'", REFUSED },
        { 0, "name", "'abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc'", 0 },
        { 0, "name", "'abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd'", REFUSED },
        { 2, "location", "{}", 0 },
        { 2, "location", "{'latitude':90,'longitude':180}", 0 },
        { 2, "location", "{'latitude':90.5}", REFUSED },
        { 2, "location", "{'longitude':-180.5}", REFUSED },
        { 3, "farm", "0", REFUSED },
        { 3, "nodes_max", "0", REFUSED },
        { 3, "nodes_max", "1000001", REFUSED },
        { 4, "invite", "{}", REFUSED },
        { 4, "invite", "'envelope'", REFUSED },
        { 4, "wireguard_key", "'AAAA'", REFUSED },
        { 4, "disks", "[]", 0 },
        { 4, "interfaces", "[]", 0 },
        { 4, "interfaces", "[{'name':'eth0','mac':'','addresses':['']}]", REFUSED },
        { 4, "interfaces", "[{'name':'abcdefghijklmnop','mac':'','addresses':[]}]", REFUSED },
        { 5, "node", "'" HASH "'", REFUSED },
        { 5, "nonce", "'AAAA'", REFUSED },
        { 5, "nonce", KEY32, REFUSED },
        { 5, "workloads", "[]", REFUSED },
        { 5, "workloads", "[{'name':'x','type':'volume','data':{'size_bytes':1,'media':'ssd'}}]", REFUSED },
        { 5, "private", "{}", REFUSED },
        { 6, "workloads", "[{'name':'x','type':'volume','data':{'size_bytes':1048576,'media':'ssd'}}]", REFUSED },
        { 6, "private", "{'nonce':'AAAA','ciphertext':'AAAAAAAAAAAAAAAAAAAAAAAA','keys':{'" ID "':" BOX80 "}}",
          REFUSED },
        { 6, "private", "{'nonce':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','ciphertext':'AAAA','keys':{'" ID "':" BOX80 "}}",
          REFUSED },
        { 6, "private",
          "{'nonce':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','ciphertext':'AAAAAAAAAAAAAAAAAAAAAAAA','keys':{}}", REFUSED },
        { 6, "private",
          "{'nonce':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','ciphertext':'AAAAAAAAAAAAAAAAAAAAAAAA','keys':{'me':" BOX80
          "}}",
          REFUSED },
        { 6, "private",
          "{'nonce':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','ciphertext':'AAAAAAAAAAAAAAAAAAAAAAAA','keys':{'" ID
          "':'AAAA'}}",
          REFUSED },
        { 7, "contract", "'" ID "'", REFUSED },
        { 8, "state", "'pending'", REFUSED },
        { 8, "state", "'Running'", REFUSED },
        { 8, "workloads", "[{'name':'web','state':'pending','message':'','data':{}}]", 0 },
        { 8, "workloads", "[{'name':'web','state':'lost','message':'','data':{}}]", REFUSED },
        { 11, "nonce", KEY32, 0 },
        { 11, "nonce", "'" SIG64 "'", 0 },
        { 11, "nonce", "'AAAAAAAAAAAAAAAAAAAA'", REFUSED },
        { 11, "nonce", BOX80, REFUSED },
        { 11, "alerts", "[]", 0 },
        { 11, "alerts", "['']", REFUSED },
        { 12, "heartbeat_s", "0", REFUSED },
        { 12, "heartbeat_s", "86401", REFUSED },
        { 12, "uncosigned_s", "-1", REFUSED },
    };
    struct reason reason;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (open_with(cases[i].index, cases[i].name, cases[i].value, &reason) != cases[i].r)
            fail_msg("%s: %s should give %d", cases[i].name, cases[i].value, cases[i].r);
    }
}

static void wants_workloads_open_or_private(void **state)
{
    cleanup_json cJSON *payload = complete(5);
    struct reason reason;

    cJSON_DeleteItemFromObject(payload, "workloads");
    assert_int_equal(open_payload(STATEMENT_CONTRACT, payload, &reason), REFUSED);
    assert_string_equal(reason.text, "contract: must have either workloads or private");
}

static void names_the_place_in_a_contract(void **state)
{
    struct reason reason;

    assert_int_equal(
        open_with(5, "workloads", "[{'name':'x','type':'volume','data':{'size_bytes':7,'media':'ssd'}}]", &reason),
        REFUSED);
    assert_string_equal(reason.text, "contract: workloads[0].data.size_bytes: must be at least 1048576");
}

/* ---- Envelopes around them */

static int open_text(const char *type, const char *text, struct reason *reason)
{
    cleanup_free char *bytes = NULL;
    struct statement statement;
    int r;

    assert_int_equal(envelope_sign(type, text, strlen(text), KEY, &bytes, NULL), 0);
    r = statement_open(bytes, strlen(bytes), &statement, reason);
    if (r == 0)
        statement_close(&statement);
    return r;
}

static void refuses_types_it_does_not_know(void **state)
{
    static const char text[] = "{\"version\":1,\"created\":1,\"name\":\"bob\",\"description\":\"\"}";
    static const char *const bad[] = {
        "application/vnd.zos.Bot+json",   "application/vnd.zos.bot",       "application/vnd.zos.+json",
        "application/vnd.zos.robot+json", "application/vnd.zos.bot+json ", "bot",
    };
    struct reason reason;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(open_text(bad[i], text, &reason), REFUSED);
    assert_int_equal(open_text("application/vnd.zos.bot+json", text, &reason), 0);
}

static void refuses_payloads_that_are_not_strict_json(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{",
        "{}",
        "{\"version\":1,\"created\":1,\"name\":\"bob\",\"description\":\"\"}x",
        "{\"version\":1,\"created\":1,\"name\":\"bob\",\"name\":\"bob\",\"description\":\"\"}",
        "{\"version\":1,\"created\":1,\"name\":\"bob\",\"n\\u0061me\":\"bob\",\"description\":\"\"}",
        "{\"version\":1,\"created\":1,\"name\":\"bob\",\"description\":\"\xff\"}",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(open_text("application/vnd.zos.bot+json", bad[i], NULL), REFUSED);
}

static void tells_a_bad_signature_from_a_bad_form(void **state)
{
    cleanup_json cJSON *payload = parse(GOOD[0].text), *object = NULL;
    cleanup_free char *bytes = NULL;
    struct statement statement;
    struct reason reason;
    struct key *other;

    assert_int_equal(statement_sign(STATEMENT_BOT, payload, 1, KEY, &bytes, NULL, &reason), 0);
    assert_int_equal(json_parse(bytes, strlen(bytes), JSON_SIZE_MAX, &object, NULL), 0);
    assert_int_equal(key_generate(&other), 0);
    cJSON_ReplaceItemInObject(json_member(object, "signatures")->child, "keyid", cJSON_CreateString(key_id(other)));
    assert_int_equal(statement_from_json(object, &statement, &reason), STATEMENT_BAD_SIGNATURE);
    assert_memory_equal(reason.text, "signatures[0].sig: isn't the signature of ", 42);
    cJSON_ReplaceItemInObject(json_member(object, "signatures")->child, "keyid", cJSON_CreateString(key_id(KEY)));
    assert_int_equal(statement_from_json(object, &statement, &reason), 0);
    statement_close(&statement);
    cJSON_ReplaceItemInObject(object, "payload", cJSON_CreateString("e30="));
    assert_int_equal(statement_from_json(object, &statement, &reason), STATEMENT_BAD_SIGNATURE);
    cJSON_ReplaceItemInObject(object, "payload", cJSON_CreateString("e30"));
    assert_int_equal(statement_from_json(object, &statement, &reason), REFUSED);
    key_free(other);
}

static void refuses_every_flipped_bit(void **state)
{
    cleanup_json cJSON *payload = parse(GOOD[7].text);
    cleanup_free char *bytes = NULL;
    struct statement statement;

    assert_int_equal(statement_sign(STATEMENT_CANCEL, payload, 1, KEY, &bytes, NULL, NULL), 0);
    for (size_t bit = 0, bits = 8 * strlen(bytes); bit < bits; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(statement_open(bytes, bits / 8, &statement, NULL) > 0);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void refuses_what_is_too_large_to_send(void **state)
{
    cleanup_json cJSON *payload = complete(9);
    cleanup_free char *big = malloc(60001);
    char *bytes = NULL;
    struct reason reason;

    memset(big, 'x', 60000);
    big[60000] = '\0';
    cJSON_AddItemToArray((cJSON *)json_member(payload, "workloads"),
                         parse("{'name':'web','state':'running','message':'','data':{}}"));
    cJSON_AddStringToObject((cJSON *)json_member(json_member(payload, "workloads")->child, "data"), "output", big);
    assert_int_equal(statement_sign(STATEMENT_RESULT, payload, 1, KEY, &bytes, NULL, &reason), REFUSED);
    assert_string_equal(reason.text, "must have at most 65535 bytes as an envelope");
    assert_null(bytes);
}

static int allocations_left;

static void *allocate_while_allowed(size_t size)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

/* The nth allocation of cJSON fails, for every n until none does: nothing half-made comes out, nothing leaks. */
static void says_when_memory_is_out(void **state)
{
    cJSON_Hooks hooks = { .malloc_fn = allocate_while_allowed, .free_fn = free };
    struct statement statement;
    char *bytes = NULL;
    int r = -ENOMEM;

    for (int allowed = 0; r == -ENOMEM; allowed++) {
        cleanup_json cJSON *payload = parse(GOOD[5].text);
        allocations_left = allowed;
        cJSON_InitHooks(&hooks);
        r = statement_sign(STATEMENT_CONTRACT, payload, 1, KEY, &bytes, NULL, NULL);
        cJSON_InitHooks(NULL);
        assert_true(r == 0 || (r == -ENOMEM && !bytes && allowed < 200));
    }
    r = -ENOMEM;
    cJSON_InitHooks(&hooks);
    for (int allowed = 0; r == -ENOMEM; allowed++) {
        allocations_left = allowed;
        r = statement_open(bytes, strlen(bytes), &statement, NULL);
        assert_true(r == 0 || (r == -ENOMEM && allowed < 200));
    }
    cJSON_InitHooks(NULL);
    assert_int_equal(r, 0);
    statement_close(&statement);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_opens_each_kind),
        cmocka_unit_test(keeps_version_and_created_that_are_there),
        cmocka_unit_test(signs_nothing_that_would_be_refused),
        cmocka_unit_test(refuses_each_kind_with_anything_amiss),
        cmocka_unit_test(refuses_a_payload_under_another_kind),
        cmocka_unit_test(bounds_values),
        cmocka_unit_test(wants_workloads_open_or_private),
        cmocka_unit_test(names_the_place_in_a_contract),
        cmocka_unit_test(refuses_types_it_does_not_know),
        cmocka_unit_test(refuses_payloads_that_are_not_strict_json),
        cmocka_unit_test(tells_a_bad_signature_from_a_bad_form),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_what_is_too_large_to_send),
        cmocka_unit_test(says_when_memory_is_out),
    };

    return cmocka_run_group_tests(tests, make_key, free_key);
}
