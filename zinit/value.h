#pragma once

/* Values in a YAML document: libyaml's tree of nodes, which know their lines, read as what a unit's keys hold. What is
 * wrong is told with file and line; reading goes on behind it, so that one look finds all that is wrong. */

#include "zinit/unit.h"

#include <yaml.h>

struct value_reader {
    yaml_document_t document;
    const char *file;
    struct unit *unit; /* what is filled */
    bool restart_given;
    unit_tell *tell;
    void *context;
    struct reason *reason; /* of the first refusal; NULL: nobody asks */
    bool refused;          /* once at least */
};

/* Reads the value of one key; `key` as it is called in messages, with what it lies in: limits.pids. As all functions
 * here that return int: 0, REFUSED (told), or -ENOMEM. */
typedef int value_read(struct value_reader *reader, const char *key, const yaml_node_t *node);

/* A key that a mapping may have. A table of them ends with a NULL name. */
struct value_key {
    const char *name;
    value_read *read;
};

/* Parses the text, which holds one document. The document is the caller's (yaml_document_delete) when this is 0. */
int value_open(struct value_reader *reader, const char *text, size_t size);

/* Tells "file:line: key: rule" as an error; always returns REFUSED. */
int value_refuse(struct value_reader *reader, const yaml_node_t *node, const char *key, const char *rule);
/* `result` of what was read before, unless it was good: then that of what was read now. Reading ends at -ENOMEM. */
int value_merge(int result, int next);

/* The node's text, or NULL when it is none. */
const char *value_scalar(const yaml_node_t *node);
/* True when nothing stands behind the key. */
bool value_empty(const yaml_node_t *node);

int value_text(struct value_reader *reader, const char *key, const yaml_node_t *node, const char **ret_text);
/* A copy, the caller's, that takes the place of *text; nothing behind the key leaves NULL. */
int value_copy(struct value_reader *reader, const char *key, const yaml_node_t *node, char **text);
int value_bool(struct value_reader *reader, const char *key, const yaml_node_t *node, bool *ret_value);
/* A whole number from `min` to `max`. */
int value_count(struct value_reader *reader, const char *key, const yaml_node_t *node, int64_t min, int64_t max,
                int64_t *ret_value);
/* Which of `choices` (ending with NULL) the value is; `rule` says what it must be. */
int value_choice(struct value_reader *reader, const char *key, const yaml_node_t *node, const char *const *choices,
                 const char *rule, int *ret_index);
/* A command line in words; nothing behind the key leaves NULL. *words, NULL or a list, is freed first. */
int value_command(struct value_reader *reader, const char *key, const yaml_node_t *node, char ***words);
/* Reads each item of a list; one text alone is a list of one, nothing is an empty one. */
int value_list(struct value_reader *reader, const char *key, const yaml_node_t *node, value_read *read_item);
/* Reads each pair of a mapping by the table; a key that isn't in it is told as a warning, one that stands there twice
 * is refused. */
int value_mapping(struct value_reader *reader, const char *key, const yaml_node_t *node, const struct value_key *keys);
/* The same where any key may be: `read_pair` gets both. */
int value_pairs(struct value_reader *reader, const char *key, const yaml_node_t *node,
                int (*read_pair)(struct value_reader *, const yaml_node_t *key, const yaml_node_t *value));
