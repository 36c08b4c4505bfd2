#pragma once

/* What a container may and may not do, the same for all: capabilities, system calls, paths of /proc and /sys, mounts.
 */

#include <cjson/cJSON.h>

/* New objects for the runtime configuration, the caller's; NULL when memory is out. */
cJSON *profile_capabilities(void);
cJSON *profile_seccomp(void);
cJSON *profile_mounts(void);
cJSON *profile_masked_paths(void);
cJSON *profile_readonly_paths(void);
