#pragma once

/* What the command keeps of its own: $THREEBOT_HOME, else $XDG_CONFIG_HOME/3bot, else ~/.config/3bot, with
 *   key                    the bot's seed (lib/key), mode 0600; never printed
 *   config.json            {"directory", "directory_key", "directory_ca" (PEM), "name", "witnesses" (array of verifier
 *                          keys), "witness_quorum" (a number)}: all optional, all strings but the last two
 *   checkpoint-<8 hex>     the last checkpoint seen of the log whose key has that hash: what a rewritten history is
 * told by */

#include "lib/cosignature.h"
#include "lib/key.h"
#include "lib/note.h"
#include "lib/reason.h"

#include <stdbool.h>

#define CONFIG_PATH_BYTES 4096

/* What the command line says; NULL: nothing. */
struct config_overrides {
    const char *directory, *directory_key;
    const char *directory_ca; /* a path */
};

struct config {
    char folder[CONFIG_PATH_BYTES - 64];
    char *directory;                     /* without a slash at the end; NULL: none known */
    char *directory_key;                 /* the text; NULL: none known */
    char *directory_ca;                  /* PEM; NULL: the system's authorities */
    char *name;                          /* the bot's, once it is registered; else NULL */
    struct note_verifier verifier;       /* of directory_key */
    struct cosignature_policy witnesses; /* whose cosignatures a checkpoint must have; quorum 0: none */
};

/* Merges command line, environment and file, in that order of precedence. 0 (config_close), or REFUSED when one of them
 * is wrong. */
int config_read(const struct config_overrides *overrides, struct config *ret_config, struct reason *reason);
/* Writes config.json. 0, or REFUSED. */
int config_write(const struct config *config, struct reason *reason);
void config_close(struct config *config);

/* "<folder>/<name>". */
void config_path(const struct config *config, const char *name, char ret_path[static CONFIG_PATH_BYTES]);

/* The bot's key; with `create`, made when there is none. 0 (key_free), or REFUSED: the reason says what to do. */
int config_key(const struct config *config, bool create, struct key **ret_key, struct reason *reason);
