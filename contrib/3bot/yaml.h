#pragma once

/* A deployment file as JSON values that know where they stood. YAML is taken strictly, as the JSON it means: one
 * document; no anchors, aliases, tags, directives or merge keys; keys are strings and stand once; of plain scalars
 * `null`, `~`, `true`, `false` and JSON's numbers have their meaning, all others (`yes`, `0x10`, `1GiB`) are strings. A
 * text that begins with `{` is held against JSON's own rules. */

#include "lib/json.h"

#define YAML_FILE_BYTES_MAX 1048576

struct yaml_place {
    char *path; /* "workloads[2].data.memory_bytes", as reasons have it */
    size_t line;
};

struct yaml_file {
    char *name; /* as in messages */
    cJSON *root;
    struct yaml_place *places;
    size_t places_count;
};

/* 0 (yaml_file_close), or REFUSED with "name:line: rule". `name` is copied. */
int yaml_file_read(const char *name, const char *text, size_t size, struct yaml_file *ret_file, struct reason *reason);
void yaml_file_close(struct yaml_file *file);

/* Puts file and line before a reason that begins with a place in the file ("workloads[2].data.x: …"): those of the
 * innermost part of the place that is there. Always returns REFUSED. */
int yaml_file_refuse(const struct yaml_file *file, struct reason *reason);
