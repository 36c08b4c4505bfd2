#pragma once

/* The rules of the payloads, apart from how statements are signed and opened. */

#include "lib/statement.h"

/* Holds a payload against the rules of its kind. 0, or REFUSED. */
int statement_check_payload(enum statement_kind kind, const cJSON *payload, struct reason *reason);
