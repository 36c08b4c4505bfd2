#pragma once

/* The command line. */

#include "contrib/directory/gather.h"
#include "contrib/directory/serving.h"

struct options {
    /* The process's own strings. */
    const char *store, *key, *name;
    int64_t heartbeat_s;
    struct gather_options gather;
    struct serving_options serving;
    struct limits_options limits;
};

/* 0; or, after saying why on stderr (--help: the usage, on stdout), the exit code plus one. */
int options_read(int argc, char **argv, struct options *ret_options);
