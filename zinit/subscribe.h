#pragma once

/* Lines of logs to clients: as they come, to those that subscribed, and those that are kept. A client that reads too
 * slowly costs SESSION_LINES_BYTES_MAX; it isn't told the lines beyond, but how many they were. */

#include "zinit/session.h"

/* The methods stream_subscribeLogs and stream_unsubscribeLogs, in jsonrpsee's form: the answer is the subscription's
 * id, and each line comes as
 *
 *     {"jsonrpc":"2.0","method":"stream_subscribeLogs","params":{"subscription":"1","result":"2023-01-01T12:00:00 web:
 * …"}}
 */
void subscribe_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error);
void unsubscribe_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error);

/* From now on the client gets each line of that service (""; all) in the text protocol's form: `[+] web: …`. False, and
 * the error set, when that can't be. */
bool subscribe_text(struct session *session, const char *name, struct rpc_error *ret_error);
/* The lines that are kept, in that form; the newest ones when they are more than a MiB. The caller's, free(). */
bool subscribe_kept_lines(struct session *session, const char *name, char **ret_text, size_t *ret_size,
                          struct rpc_error *ret_error);

/* Starts what was subscribed since the last call. */
void subscribe_begin_new(struct session *session);
/* There is room again: tells how many lines were left out. */
void subscribe_tell_missed(struct session *session);
void subscribe_end_all(struct session *session);
