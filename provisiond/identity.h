#pragma once

/* The node's key: made once, kept as node.key in the state folder and in identity/ at the top of every pool, so that
 * the loss of any disk but the last doesn't lose the node. Without a disk it lives in memory and ends with the boot. */

#include "lib/key.h"
#include "provisiond/paths.h"

#include <cjson/cJSON.h>

/* Finds the key, or makes it, and writes it where a copy is missing. `pools` is storaged's pool.list. A key on a disk
 * wins over the one in memory; copies that differ from the one chosen are told and left alone. Blocks. 0 (key_free), or
 * negative errno, logged. */
int identity_load(const struct paths *paths, const cJSON *pools, struct key **ret_key);

/* Whether any disk holds a key already. */
bool identity_on_disk(const char *root, const cJSON *pools);
