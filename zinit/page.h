#pragma once

/* The console page as text: pure, from what the daemons answered. */

#include <cjson/cJSON.h>

/* Answers as they came; NULL: that daemon doesn't answer. */
struct page_input {
    const cJSON *services;  /* zinit's service_list */
    const cJSON *disks;     /* storaged's disk.list */
    const cJSON *network;   /* netd's status */
    const cJSON *provision; /* provisiond's status */
    const char *listening;  /* census.h; NULL: left out */
};

/* The page, a line each thing; the caller's, free(). NULL when memory is out. Strings in it come from daemons and are
 * printed with control characters as ?. */
char *page_make(const struct page_input *input);
