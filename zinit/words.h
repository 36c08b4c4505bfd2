#pragma once

/* A command line in words, with a POSIX shell's quoting and nothing else of a shell (Python's and Rust's shlex). */

#include "lib/reason.h"

/* Splits at white space and line ends; '…', "…" and \ quote; # at the start of a word begins a comment to the line's
 * end. *ret_words ends with NULL and is the caller's (words_free). 0, REFUSED (a quote left open), or -ENOMEM. */
int words_split(const char *text, char ***ret_words, struct reason *reason);
void words_free(char **words);
size_t words_count(char *const *words);
/* Appends a copy. 0, or -ENOMEM with the list as it was. *words may be NULL. */
int words_append(char ***words, const char *word);
