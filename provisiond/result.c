/* The outbox holds payloads, and the envelope as it was last signed: a statement's `created` must be near the time of
 * its submission, and the same envelope twice is one entry in the log, so it is signed anew only when it has grown old.
 */

#include "provisiond/result.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/text.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define RETRY_MS 300
#define RETRY_CAP_MS 30000
#define SIGNATURE_AGE_S 240 /* the directory allows 600 between `created` and its clock */

/* A sealed box to the bot, base64. The caller's, free(); NULL when the bot's key takes none or memory is out. */
static char *seal_to_bot(const struct wanted *wanted, const char *text)
{
    uint8_t bot[32];
    size_t size = strlen(text);
    cleanup_free uint8_t *box = malloc(size + crypto_box_SEALBYTES);

    if (!box || key_public_as_x25519(wanted->bot_key, bot) != 0 ||
        crypto_box_seal(box, (const uint8_t *)text, size, bot) != 0)
        return NULL;
    return encode_base64(box, size + crypto_box_SEALBYTES);
}

/* A message may hold what others have said. */
static void add_message(cJSON *object, const char *message)
{
    char text[sizeof(struct reason)];

    snprintf(text, sizeof text, "%s", message ? message : "");
    text_clean(text);
    cJSON_AddStringToObject(object, "message", text);
}

static cJSON *result_workload(const struct wanted *wanted, const cJSON *workload, const char *state,
                              const cJSON *report)
{
    cJSON *item = cJSON_CreateObject(), *data;
    const char *output = json_string(report, "output"), *message = json_string(report, "message");

    cJSON_AddStringToObject(item, "name", json_string(workload, "name"));
    cJSON_AddStringToObject(item, "state", report ? json_string(report, "state") : state);
    add_message(item, message);
    data = cJSON_AddObjectToObject(item, "data");
    if (output && wanted->private)
        cJSON_AddStringToObject(data, "output", output);
    else if (output) {
        cleanup_free char *sealed = seal_to_bot(wanted, output);
        if (sealed)
            cJSON_AddStringToObject(data, "sealed_output", sealed);
    }
    return item;
}

static const cJSON *report_of(const cJSON *reports, const char *name)
{
    const cJSON *report;

    cJSON_ArrayForEach(report, reports)
        if (!strcmp(json_string(report, "name"), name))
            return report;
    return NULL;
}

static cJSON *seal(const struct wanted *wanted, const char *node_id, const uint8_t sealing_public[static 32],
                   const cJSON *workloads)
{
    uint8_t bot[32], id[32];
    struct contract_reader readers[2] = { { node_id, sealing_public }, { wanted->bot, bot } };

    if (key_public_as_x25519(wanted->bot_key, bot) != 0 || !decode_hex(wanted->id, id, sizeof id))
        return NULL;
    return contract_seal(workloads, id, sizeof id, readers, 2);
}

cJSON *result_payload(const struct wanted *wanted, const char *node_id, const uint8_t sealing_public[static 32],
                      enum wanted_state state, const cJSON *workloads, const char *message)
{
    cleanup_json cJSON *payload = cJSON_CreateObject(), *list = cJSON_CreateArray();
    const cJSON *workload;

    cJSON_AddStringToObject(payload, "contract", wanted->id);
    cJSON_AddStringToObject(payload, "state", wanted_state_name(state));
    if (message && message[0] && !wanted->private)
        add_message(payload, message);
    cJSON_ArrayForEach(workload, wanted->workloads)
        cJSON_AddItemToArray(list, result_workload(wanted, workload, wanted_state_name(state),
                                                   report_of(workloads, json_string(workload, "name"))));
    if (!wanted->private) {
        cJSON_AddItemToObject(payload, "workloads", steal_pointer(list));
        return steal_pointer(payload);
    }
    if (message && message[0] && !wanted->workloads && wanted->open_message)
        add_message(payload, message);
    else if (message && message[0] && !cJSON_GetArraySize(list)) {
        /* Why the private part was refused is the bot's to know. */
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", "contract");
        cJSON_AddStringToObject(item, "state", wanted_state_name(state));
        add_message(item, message);
        cJSON_AddObjectToObject(item, "data");
        cJSON_AddItemToArray(list, item);
    }
    if (!cJSON_AddItemToObject(payload, "private", seal(wanted, node_id, sealing_public, list)))
        return NULL;
    return steal_pointer(payload);
}

int result_add(struct node *node, const struct wanted *wanted, enum wanted_state state, const cJSON *workloads,
               const char *message)
{
    cleanup_json cJSON *payload =
        result_payload(wanted, key_id(node->key), node->sealing->public, state, workloads, message);
    cleanup_free char *text = payload ? json_print(payload) : NULL;

    if (!text)
        return log_fail(-ENOMEM, "contract %s: result", wanted->id);
    return journal_add_result(node->journal, text);
}

/* ---- the outbox */

struct outbox_job {
    struct node *node; /* for `done` only */
    const struct directory *directory;
    int64_t number;
    char *envelope;
    int64_t signed_at;
    /* out */
    int r;
    struct directory_outcome outcome;
    struct reason reason;
};

static void on_work(void *context)
{
    struct outbox_job *job = context;

    job->r = directory_post(job->directory, job->envelope, &job->outcome, &job->reason);
}

static void on_timer(uv_timer_t *timer);

static void later(struct node *node, uint64_t pause_ms)
{
    uv_timer_start(&node->outbox_timer, on_timer, pause_ms, 0);
}

/* Whether the directory will never take it: its rules, not its state of health. */
static bool is_final(int status)
{
    return status / 100 == 4 && status != 408 && status != 429;
}

static void on_done(void *context)
{
    struct outbox_job *job = context;
    struct node *node = job->node;
    uint64_t pause = 0;

    node->outbox_busy = false;
    if (job->r == 0) {
        journal_remove_result(node->journal, job->number);
        retry_done(&node->outbox);
    } else if (is_final(job->outcome.status)) {
        log_error("a result is refused by the directory for good: %s", job->reason.text);
        journal_remove_result(node->journal, job->number);
    } else {
        pause = retry_failed(&node->outbox, "result", &job->reason, RETRY_MS, RETRY_CAP_MS);
        if (job->outcome.retry_after_s)
            pause = job->outcome.retry_after_s * 1000ull;
    }
    free(job->envelope);
    free(job);
    later(node, pause);
}

/* Signs the result when it never was, or long ago. 0, REFUSED (it can't be a statement: dropped), negative errno. */
static int sign(struct node *node, struct journal_result *result)
{
    cleanup_json cJSON *payload = NULL;
    char *envelope = NULL;
    struct reason reason = { 0 };
    int64_t now = node_now(node);
    int r;

    if (result->envelope && now - result->signed_at < SIGNATURE_AGE_S && now >= result->signed_at)
        return 0;
    r = json_parse(result->payload, strlen(result->payload), ENVELOPE_BYTES_MAX, &payload, &reason);
    if (r == 0)
        r = statement_sign(STATEMENT_RESULT, payload, now, node->key, &envelope, NULL, &reason);
    if (r == REFUSED || r == -EMSGSIZE) {
        log_error("a result can't be sent: %s", r < 0 ? "too large" : reason.text);
        return REFUSED;
    }
    if (r < 0)
        return log_fail(r, "sign a result");
    free(result->envelope);
    result->envelope = envelope;
    return journal_set_signed(node->journal, result->number, envelope, now);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct journal_result result = { 0 };
    struct outbox_job *job;
    int r;

    if (node->outbox_busy || !node->registered || journal_first_result(node->journal, &result) < 0 || !result.number)
        return;
    r = sign(node, &result);
    if (r == REFUSED)
        journal_remove_result(node->journal, result.number);
    job = r == 0 ? calloc(1, sizeof *job) : NULL;
    if (!job) {
        journal_result_close(&result);
        return later(node, r == REFUSED ? 0 : RETRY_CAP_MS);
    }
    *job = (struct outbox_job){
        .node = node, .directory = &node->directory, .number = result.number, .envelope = steal_pointer(result.envelope)
    };
    journal_result_close(&result);
    node->outbox_busy = daemon_work(&node->daemon, on_work, on_done, job) == 0;
}

void outbox_kick(struct node *node)
{
    if (!node->outbox_timer.data) {
        uv_timer_init(node->daemon.loop, &node->outbox_timer);
        node->outbox_timer.data = node;
    }
    /* A pause after a failure runs to its end. */
    if (!node->outbox_busy && !uv_is_active((uv_handle_t *)&node->outbox_timer))
        later(node, 0);
}
