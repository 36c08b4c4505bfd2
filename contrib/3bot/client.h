#pragma once

/* The directory as this command uses it: views for looking around, which are only as true as the directory is, and
 * statements, which are checked here (evidence.h) and so true whatever the directory does. */

#include "contrib/3bot/config.h"

#include "lib/checkpoint.h"

#include <cjson/cJSON.h>
#include <stdint.h>

/* Conditions beside REFUSED, which is every other answer or a broken one. */
enum {
    CLIENT_NOT_FOUND = 2,
    CLIENT_UNREACHABLE = 3, /* no answer came, or one that says to try again: 429, 5xx */
    CLIENT_CONFLICT = 4,    /* 409 */
    CLIENT_REWRITTEN = 5,   /* the log isn't the one that was seen before */
};

struct client {
    const struct config *config;
    bool has_known;
    struct checkpoint known; /* the largest checkpoint that was verified, kept in the bot's folder */
    char checkpoint_path[CONFIG_PATH_BYTES];
};

/* 0; REFUSED when no directory or no key of it is known, or the kept checkpoint isn't of that key. `config` must stay.
 */
int client_open(struct client *client, const struct config *config, struct reason *reason);

/* Asks for `path` ("/v1/nodes/…", already escaped) and gives the object. 0 (cJSON_Delete) or a condition. */
int client_get(struct client *client, const char *path, cJSON **ret_object, struct reason *reason);
/* All items of a list, page by page, as one array. `path` has no query, or one that `&after=` can be put behind. */
int client_list(struct client *client, const char *path, cJSON **ret_items, struct reason *reason);
/* Posts an envelope and gives the answer, unchecked. */
int client_post(struct client *client, const char *path, const char *envelope, cJSON **ret_object,
                struct reason *reason);

/* Takes in a signed checkpoint: its signature, and that one of it and the largest known is the beginning of the other.
 * A larger one is kept. 0, or a condition; CLIENT_REWRITTEN is an alarm, and its reason says so. */
int client_take_checkpoint(struct client *client, const char *text, struct checkpoint *ret_checkpoint,
                           struct reason *reason);
/* The log's newest checkpoint as it stands at /log/checkpoint, unchecked; the caller's, free(). 0, or a condition. */
int client_get_checkpoint(struct client *client, char **ret_text, struct reason *reason);
/* Asks for the log's newest checkpoint and takes it in: whether this is the directory whose key we have. 0, or a
 * condition. */
int client_check_log(struct client *client, struct reason *reason);
