#pragma once

/* zinit's older protocol: a line in, `{"state":"ok","body":…}` or `{"state":"error","body":"why"}` out, end. Each
 * command stands for a method of the API, but `log`, which is answered by lines. Pure. */

#include "lib/reason.h"
#include "zinit/unit.h"

#include <cjson/cJSON.h>

struct text_request {
    const char *method; /* its name; NULL: log */
    cJSON *params;      /* an array, the caller's (cJSON_Delete) */
    bool log, follow;
    char name[UNIT_NAME_BYTES_MAX]; /* whose log; "": all */
};

/* 0, REFUSED, or -ENOMEM. */
int text_parse(const char *line, size_t size, struct text_request *ret_request, struct reason *reason);

/* The line of the answer, its end included; the caller's, free(). Takes over `result` (NULL stands for null), which
 * isn't looked at when there is a `problem`. NULL when memory is out. */
char *text_answer(cJSON *result, const char *problem);
