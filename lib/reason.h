#pragma once

/* Why an input from outside is refused: the place in it, and the rule that it breaks. It travels back to the sender. */

#include <stdio.h>

/* The positive condition of every function that takes a `struct reason`: the input is refused, the reason is filled.
 * A header that can refuse in several ways enumerates more conditions from 2 on. */
enum { REFUSED = 1 };

struct reason {
    char text[512]; /* "workloads[2].data.memory_bytes: must be at least 4194304"; "" when nothing was refused */
};

/* Fills `reason` (which may be NULL) with "place: rule", or the rule alone when `place` is NULL or empty; always
 * returns REFUSED. */
__attribute__((format(printf, 3, 4))) int reason_refuse(struct reason *reason, const char *place, const char *rule,
                                                        ...);

/* Puts "prefix: " before what the reason says already, as it travels outward. Always returns REFUSED. */
int reason_prefix(struct reason *reason, const char *prefix);

/* clang's analyzer looks at one file at a time. */
#ifdef __clang_analyzer__
#define reason_refuse(...) ((reason_refuse)(__VA_ARGS__), REFUSED)
#define reason_prefix(reason, prefix) ((reason_prefix)(reason, prefix), REFUSED)
#endif
