/* Opening what commands share. */

#include "contrib/3bot/session.h"

#include "contrib/3bot/evidence.h"
#include "contrib/3bot/out.h"

#include "lib/cleanup.h"
#include "lib/http.h"

int session_open_reader(struct session *session, const struct call *call)
{
    struct reason reason = { 0 };

    *session = (struct session){ 0 };
    if (http_open() < 0)
        return OUT_FAILED;
    if (config_read(&call->overrides, &session->config, &reason))
        return out_fail(OUT_FAILED, "%s", reason.text);
    if (client_open(&session->client, &session->config, &reason)) {
        session_close(session);
        return out_fail(OUT_FAILED, "%s", reason.text);
    }
    return 0;
}

int session_open(struct session *session, const struct call *call)
{
    struct reason reason = { 0 };
    struct config config;

    /* The key first: who has no bot yet is told that before anything else. */
    if (config_read(&call->overrides, &config, &reason))
        return out_fail(OUT_FAILED, "%s", reason.text);
    *session = (struct session){ .config = config };
    if (config_key(&config, false, &session->key, &reason) ||
        client_open(&session->client, &session->config, &reason)) {
        session_close(session);
        return out_fail(OUT_FAILED, "%s", reason.text);
    }
    return http_open() < 0 ? OUT_FAILED : 0;
}

void session_close(struct session *session)
{
    key_free(session->key);
    config_close(&session->config);
    *session = (struct session){ 0 };
}

int session_publish(struct session *session, enum statement_kind kind, cJSON *payload,
                    char ret_id[static HASH_TEXT_BYTES], struct reason *reason)
{
    cleanup_free char *envelope = NULL;
    int result = statement_sign(kind, payload, time(NULL), session->key, &envelope, ret_id, reason);

    if (result < 0)
        return reason_refuse(reason, NULL, "the statement can't be signed: it is too large, or memory is out");
    return result ? result : evidence_publish(&session->client, envelope, ret_id, reason);
}

int session_fail(int condition, const struct reason *reason)
{
    return out_fail(OUT_FAILED, "%s", reason->text);
}
