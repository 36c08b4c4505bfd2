/* Statements: an envelope whose type names a kind, whose signature is good, and whose payload keeps the kind's rules
 * (statement_rules.c), in this order: nobody's rules are run on what isn't signed. */

#include "lib/statement.h"

#include "lib/cleanup.h"
#include "lib/statement_rules.h"

#include <errno.h>
#include <string.h>

#define TYPE_BYTES 64
#define TYPE_FRONT "application/vnd.zos."
#define TYPE_BACK "+json"

static const char *const NAMES[STATEMENT_KINDS] = {
    [STATEMENT_BOT] = "bot",       [STATEMENT_FARM] = "farm",           [STATEMENT_INVITE] = "invite",
    [STATEMENT_NODE] = "node",     [STATEMENT_CONTRACT] = "contract",   [STATEMENT_CANCEL] = "cancel",
    [STATEMENT_RESULT] = "result", [STATEMENT_HEARTBEAT] = "heartbeat", [STATEMENT_TIME] = "time",
};

const char *statement_kind_name(enum statement_kind kind)
{
    return NAMES[kind];
}

static void make_type(enum statement_kind kind, char ret_type[static TYPE_BYTES])
{
    snprintf(ret_type, TYPE_BYTES, TYPE_FRONT "%s" TYPE_BACK, NAMES[kind]);
}

static bool find_kind(const char *type, enum statement_kind *ret_kind)
{
    const char *name = strncmp(type, TYPE_FRONT, strlen(TYPE_FRONT)) == 0 ? type + strlen(TYPE_FRONT) : "";
    size_t length = strcspn(name, "+");

    for (unsigned kind = 0; kind < STATEMENT_KINDS; kind++) {
        if (strlen(NAMES[kind]) == length && memcmp(NAMES[kind], name, length) == 0 &&
            strcmp(name + length, TYPE_BACK) == 0) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

/* Puts a number in front of an object that doesn't have it. 0 or -ENOMEM. */
static int put_in_front(cJSON *object, const char *name, int64_t value)
{
    cJSON *item;

    if (json_member(object, name))
        return 0;
    item = json_add_integer(object, name, value);
    if (!item)
        return -ENOMEM;
    cJSON_DetachItemViaPointer(object, item);
    cJSON_InsertItemInArray(object, 0, item);
    return 0;
}

int statement_sign(enum statement_kind kind, cJSON *payload, int64_t created, const struct key *key, char **ret_bytes,
                   char ret_id[HASH_TEXT_BYTES], struct reason *reason)
{
    cleanup_json cJSON *again = NULL;
    char type[TYPE_BYTES];
    int r;

    if (!cJSON_IsObject(payload))
        return reason_refuse(reason, NULL, "must be an object");
    if (put_in_front(payload, "created", created) < 0 || put_in_front(payload, "version", 1) < 0)
        return -ENOMEM;
    cleanup_free char *text = json_print(payload);
    if (!text)
        return -ENOMEM;
    r = json_parse(text, strlen(text), ENVELOPE_BYTES_MAX, &again, reason); /* as whoever gets it will read it */
    if (r == 0)
        r = statement_check_payload(kind, again, reason);
    if (r)
        return r;
    make_type(kind, type);
    r = envelope_sign(type, text, strlen(text), key, ret_bytes, ret_id);
    if (r == -EMSGSIZE)
        return reason_refuse(reason, NULL, "must have at most %d bytes as an envelope", ENVELOPE_BYTES_MAX);
    return r;
}

/* From here on the envelope is somebody's word; is it of a kind that we know? */
static int read_payload(const struct envelope *envelope, struct statement *statement, struct reason *reason)
{
    int r;

    if (!find_kind(envelope->type, &statement->kind))
        return reason_refuse(reason, "payloadType", "must be application/vnd.zos.<kind>+json of a kind of statement");
    r = json_parse(envelope->payload, envelope->payload_size, ENVELOPE_BYTES_MAX, &statement->payload, reason);
    if (r == 0)
        r = statement_check_payload(statement->kind, statement->payload, reason);
    return r == REFUSED ? reason_prefix(reason, NAMES[statement->kind]) : r;
}

/* Takes the envelope over. */
static int open_envelope(struct envelope *envelope, struct statement *ret_statement, struct reason *reason)
{
    struct statement statement = { 0 };
    int r = envelope_verify(envelope, reason) ? STATEMENT_BAD_SIGNATURE : 0;

    if (r == 0)
        r = read_payload(envelope, &statement, reason);
    if (r == 0) {
        memcpy(statement.id, envelope->id, sizeof statement.id);
        memcpy(statement.signer, envelope->signer, sizeof statement.signer);
        memcpy(statement.signer_id, envelope->signer_id, sizeof statement.signer_id);
        statement.created = json_integer(statement.payload, "created");
        *ret_statement = statement;
    } else
        statement_close(&statement);
    envelope_close(envelope);
    return r;
}

int statement_open(const char *bytes, size_t size, struct statement *ret_statement, struct reason *reason)
{
    struct envelope envelope;
    int r = envelope_parse(bytes, size, &envelope, reason);

    return r ? r : open_envelope(&envelope, ret_statement, reason);
}

int statement_from_json(const cJSON *envelope_object, struct statement *ret_statement, struct reason *reason)
{
    struct envelope envelope;
    int r = envelope_from_json(envelope_object, &envelope, reason);

    return r ? r : open_envelope(&envelope, ret_statement, reason);
}

void statement_close(struct statement *statement)
{
    if (!statement)
        return;
    cJSON_Delete(statement->payload);
    *statement = (struct statement){ 0 };
}
