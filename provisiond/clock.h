#pragma once

/* The clock: no real-time clock and no NTP server is to be trusted, the directory's signed time is. */

#include "lib/note.h"
#include "provisiond/paths.h"

#include <stdbool.h>

#define CLOCK_TOLERANCE_S 2 /* a step is worse than being off by so much */

/* Sets the system clock when it is off by more than CLOCK_TOLERANCE_S and leaves PATHS_CLOCK as a mark for this boot.
 * 0, or negative errno, logged. */
int clock_set(const char *root, int64_t now);
/* Never lets the clock be before a moment that is known to have passed (after a boot with a dead battery). */
void clock_floor(int64_t passed);
/* Whether the directory has set the clock in this boot. */
bool clock_is_set(const char *root);
