#pragma once

/* The names of capabilities, of capabilities(7) and linux/capability.h. */

#include <stdint.h>

#define CAPABILITY_COUNT 41
#define CAPABILITY_ALL ((UINT64_C(1) << CAPABILITY_COUNT) - 1)

/* Its number from its name, in any case, with or without CAP_; -1 when there is none. */
int capability_parse(const char *name);
