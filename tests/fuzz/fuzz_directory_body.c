/* The body of POST /v1/statements, from its bytes to the status, through the real code: opening, rules, tables, log and
 * proof over SQLite. Only the network is left out, and what is durable: each transaction is rolled back at its end, so
 * that every input meets the same grid of a bot, a farm, a node and a contract.
 *
 * An input is a body as it is; or, so that what lies behind the signature is reached, a payload to be signed here:
 *
 *     <kind's name> <signer: bot, node or new>\n<payload>
 *
 * in which @BOT, @NODE, @CONTRACT and @INVITE stand for the ids (without quotes) and the invite. */

#include "contrib/directory/commit.h"
#include "contrib/directory/cosigned.h"
#include "contrib/directory/office.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NOW 1700000000
#define TEXT_BYTES_MAX (1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BOT, NODE, NEW, LOG, KEYS };

static const char *const SIGNERS[] = { "bot", "node", "new" };
static struct key *keys[KEYS];
static struct tlog_signer signer;
static struct store *store;
static struct store_backend volatile_backend;
static struct checkpoint head;
static char contract[HASH_TEXT_BYTES], *invite;
static char folder[] = "/tmp/fuzz_directory_body.XXXXXX";

/* What the code under test asks of the rest of directoryd. */
int64_t directory_now(void)
{
    return NOW;
}

int office_publish(struct store *unused, const char *note)
{
    abort(); /* of a store that is shared */
}

void cosigned_write(struct store *unused, const char *note)
{
    abort();
}

static int transact_in_vain(struct store *self, enum store_step step)
{
    return step == STORE_COMMIT ? -ECANCELED : STORE_SQLITE.transact(self, step);
}

static void check(const struct submission *submission, const struct commit *commit)
{
    static const int statuses[] = { 200, 201, 400, 401, 403, 404, 409, 422 };
    bool known = false;

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        known |= submission->status == statuses[i];
    if (!known || (submission->status >= 300 && !submission->reason.text[0]))
        abort();
    if (submission_is_logged(submission) &&
        !merkle_verify_inclusion(&submission->leaf, submission->index, commit->head.checkpoint.size, &submission->proof,
                                 &commit->head.checkpoint.root))
        abort();
}

/* The status; `ret_id` (may be NULL) gets the statement's id. */
static int submit(const char *body, size_t size, char *ret_id)
{
    struct request request = { 0 };
    struct submission submission = { .body = body, .body_size = size, .request = &request };
    struct commit commit = { .store = store, .signer = &signer, .head.checkpoint = head };

    submission_open(&submission);
    if (!submission.status) {
        commit.first = &submission;
        commit_apply(&commit);
        if (commit.error == 0) {
            commit_settle(&commit);
            head = commit.head.checkpoint;
        } else if (commit.error != -ECANCELED)
            abort();
    }
    check(&submission, &commit);
    if (ret_id)
        strcpy(ret_id, submission.statement.id);
    statement_close(&submission.statement);
    statement_close(&submission.invite);
    free(submission.answer);
    tlog_head_close(&commit.head);
    return submission.status;
}

/* ---- Inputs that are signed here */

static void append(char *text, size_t *used, const char *bytes, size_t size)
{
    if (*used + size >= TEXT_BYTES_MAX)
        size = TEXT_BYTES_MAX - 1 - *used;
    memcpy(text + *used, bytes, size);
    *used += size;
}

/* Puts in what the names stand for; the size. */
static size_t expand(const char *from, size_t size, char *text)
{
    const struct {
        const char *name, *value;
    } names[] = { { "@BOT", key_id(keys[BOT]) },
                  { "@NODE", key_id(keys[NODE]) },
                  { "@CONTRACT", contract },
                  { "@INVITE", invite ? invite : "{}" } };
    size_t used = 0;

    for (const char *end = from + size; from < end;) {
        size_t taken = 0;
        for (size_t i = 0; *from == '@' && i < sizeof names / sizeof *names && !taken; i++) {
            size_t length = strlen(names[i].name);
            if ((size_t)(end - from) < length || memcmp(from, names[i].name, length) != 0)
                continue;
            append(text, &used, names[i].value, strlen(names[i].value));
            taken = length;
        }
        if (!taken)
            append(text, &used, from, taken = 1);
        from += taken;
    }
    return used;
}

/* The kind's type and the signer of the first line; the place behind it, or NULL. */
static const char *read_line(const char *bytes, size_t size, char type[static 128], int *ret_key)
{
    const char *end = memchr(bytes, '\n', size < 64 ? size : 64);
    char line[64], kind[64], name[64];

    if (!end)
        return NULL;
    snprintf(line, sizeof line, "%.*s", (int)(end - bytes), bytes);
    if (sscanf(line, "%63s %63s", kind, name) != 2)
        return NULL;
    snprintf(type, 128, "application/vnd.zos.%s+json", kind);
    for (*ret_key = 0; *ret_key < LOG; ++*ret_key)
        if (strcmp(name, SIGNERS[*ret_key]) == 0)
            return end + 1;
    return NULL;
}

/* The envelope, or NULL: nothing to sign, or no JSON, which is refused long before (fuzz_json). */
static char *sign_input(const char *bytes, size_t size)
{
    static char text[TEXT_BYTES_MAX];
    cleanup_json cJSON *value = NULL;
    char type[128], *envelope;
    int key;
    const char *payload = read_line(bytes, size, type, &key);

    if (!payload)
        return NULL;
    size_t text_size = expand(payload, size - (size_t)(payload - bytes), text);
    if (json_parse(text, text_size, TEXT_BYTES_MAX, &value, NULL) != 0)
        return NULL;
    return envelope_sign(type, text, text_size, keys[key], &envelope, NULL) == 0 ? envelope : NULL;
}

/* ---- The grid that is there */

static void plant(const char *input, char *ret_id)
{
    cleanup_free char *envelope = sign_input(input, strlen(input));

    if (!envelope || submit(envelope, strlen(envelope), ret_id) != 201)
        abort();
}

static void remove_folder(void)
{
    store_close(store);
    file_remove_tree(folder);
}

static void set_up(void)
{
    struct reason reason;
    struct tlog_head signed_head;
    char url[128];

    for (uint8_t i = 0; i < KEYS; i++)
        if (key_from_seed((const uint8_t[KEY_SEED_BYTES]){ i + 1 }, &keys[i]) < 0)
            abort();
    signer.key = keys[LOG];
    if (!mkdtemp(folder) ||
        note_verifier_make("example.com/log", key_public(keys[LOG]), &signer.verifier, &reason) != 0)
        abort();
    snprintf(url, sizeof url, "sqlite:%s/store", folder);
    if (store_open(url, STORE_WRITE, &store, &reason) != 0 ||
        tlog_open(store, &signer, TLOG_ALL, &signed_head, &reason) != 0)
        abort();
    head = signed_head.checkpoint;
    tlog_head_close(&signed_head);
    atexit(remove_folder);
    plant("bot bot\n{\"version\":1,\"created\":1700000000,\"name\":\"alice\",\"description\":\"\"}", NULL);
    plant("farm bot\n{\"version\":1,\"created\":1700000000,\"name\":\"attic\",\"description\":\"\"}", NULL);
    static const char INVITE[] =
        "invite bot\n{\"version\":1,\"created\":1700000000,\"farm\":1,\"expires\":1800000000,\"nodes_max\":2}";
    invite = sign_input(INVITE, sizeof INVITE - 1);
    plant("node node\n{\"version\":1,\"created\":1700000000,\"farm\":1,\"invite\":@INVITE,\"hostname\":\"n\","
          "\"os_version\":\"1\",\"wireguard_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
          "\"sealing_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"resources\":{\"cru_milli\":4000,"
          "\"mru_bytes\":8589934592,\"sru_bytes\":107374182400,\"hru_bytes\":0},\"disks\":[],\"machine\":{\"vendor\":"
          "\"\","
          "\"product\":\"\",\"bios\":\"\",\"cpu\":\"\",\"hypervisor\":\"\"},\"interfaces\":[]}",
          NULL);
    plant(
        "contract bot\n{\"version\":1,\"created\":1700000000,\"node\":\"@NODE\",\"expires\":1800000000,"
        "\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\",\"reserves\":{\"cru_milli\":0,\"mru_bytes\":0,\"sru_bytes\":1073741824,"
        "\"hru_bytes\":0},\"workloads\":[{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":1073741824,"
        "\"media\":\"ssd\"}}]}",
        contract);
    volatile_backend = *store->backend;
    volatile_backend.transact = transact_in_vain;
    store->backend = &volatile_backend;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!store)
        set_up();
    cleanup_free char *envelope = sign_input((const char *)data, size);
    if (envelope)
        submit(envelope, strlen(envelope), NULL);
    else
        submit((const char *)data, size, NULL);
    return 0;
}
