#pragma once

/* The names of capabilities, of capabilities(7) and linux/capability.h. */

#define CAPABILITY_COUNT 41

/* Its number from its name, in any case, with or without CAP_; -1 when there is none. */
int capability_parse(const char *name);
