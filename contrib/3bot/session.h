#pragma once

/* What a command works with: the bot's folder, its key, and its directory, opened together. */

#include "contrib/3bot/client.h"
#include "contrib/3bot/command.h"

#include "lib/statement.h"

#include <time.h>

struct session {
    struct config config;
    struct key *key;
    struct client client;
};

/* 0 (session_close), or an exit code after the error was said. */
int session_open(struct session *session, const struct call *call);
/* The same without a key: whoever looks around or verifies needs none. */
int session_open_reader(struct session *session, const struct call *call);
void session_close(struct session *session);

/* Signs a payload as the bot and publishes it; the time is now. 0 and the statement's id, or a condition of client.h.
 */
int session_publish(struct session *session, enum statement_kind kind, cJSON *payload,
                    char ret_id[static HASH_TEXT_BYTES], struct reason *reason);

/* Says why something failed and gives the exit code. */
int session_fail(int condition, const struct reason *reason);
