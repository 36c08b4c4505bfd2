#pragma once

/* Answers as people read them: YAML, as zinit prints it. */

#include <cjson/cJSON.h>
#include <stdio.h>

/* A text alone is written as it is, null not at all. */
void print_value(FILE *out, const cJSON *value);
