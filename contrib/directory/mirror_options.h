#pragma once

/* The command lines of `directoryd mirror` and `directoryd verify`, which have much in common. */

#include "contrib/directory/serving.h"

#include "lib/cosignature.h"

#include <stdbool.h>

struct mirror_options {
    /* The process's own strings. */
    const char *store, *ca;
    const char *evidence; /* a path */
    char url[1024];       /* of the source, without a slash at the end; "": none */
    bool has_verifier;
    struct note_verifier verifier; /* of its log */
    struct cosignature_policy witnesses;
    struct serving_options serving; /* of a mirror */
};

/* 0; or, after saying why on stderr (--help: the usage, on stdout), the exit code plus one. */
int mirror_options_read(int argc, char **argv, struct mirror_options *ret_options);
int verify_options_read(int argc, char **argv, struct mirror_options *ret_options);
