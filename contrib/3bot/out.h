#pragma once

/* What the command says: lines for people, or one JSON value a command (--json), on stdout; errors and progress on
 * stderr. All text, be it ours or the directory's, has its control characters escaped on the way, so that nobody can
 * drive the terminal through it. */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit codes of every command; 0 is done. */
enum { OUT_FAILED = 1, OUT_USAGE = 2 };

enum out_escape {
    OUT_LINE, /* \x1b, \u{202e}; line feed and tab too */
    OUT_TEXT, /* the same, but line feed and tab stay */
    OUT_JSON, /* of JSON text: \u202e; what JSON escapes already stays */
};
/* Escapes C0 and C1 controls, DEL, what turns the direction of writing, and bytes that aren't UTF-8. The caller's,
 * free(); NULL when memory is out. */
char *out_escape(const char *text, enum out_escape how);

void out_open(bool json);
bool out_is_json(void);

/* A line on stdout; nothing with --json. */
__attribute__((format(printf, 1, 2))) void out_line(const char *format, ...);
/* Text of many lines, each behind `indent`; nothing with --json. */
void out_text(const char *text, const char *indent);
/* The command's result with --json, else nothing; frees `value`. */
void out_json(cJSON *value);
/* A line on stdout in both modes, as it is: for what is meant to be copied. */
void out_raw(const char *text);

/* An error: "3bot: …" on stderr, with --json {"error": …} on stdout. Returns `code`, so that it reads `return
 * out_fail(OUT_FAILED, …)`. */
__attribute__((format(printf, 2, 3))) int out_fail(int code, const char *format, ...);
/* A warning on stderr. */
__attribute__((format(printf, 1, 2))) void out_warn(const char *format, ...);

/* What is being waited for: on a terminal one line that is rewritten, with the seconds since the first; else a line
 * whenever the text changes. out_progress_end takes the line away; all other output does so too. */
__attribute__((format(printf, 1, 2))) void out_progress(const char *format, ...);
void out_progress_end(void);

/* A table: cells are copied, columns padded to their widest. */
struct out_table {
    size_t columns, rows;
    char **cells;
};
/* `columns` texts follow. */
void out_table_row(struct out_table *table, size_t columns, ...);
/* Prints (nothing with --json) and frees. */
void out_table_end(struct out_table *table);
