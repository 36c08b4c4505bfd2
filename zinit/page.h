#pragma once

/* The console page as text: pure, from what the daemons answered. */

#include "zinit/chain.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* What fits on VGA's text screen of 80 columns without its own wrapping. */
#define PAGE_COLUMNS 79

/* Answers as they came; NULL: that daemon doesn't answer. Texts may be NULL: left out. */
struct page_input {
    const cJSON *services;  /* zinit's service_list, the service_status in place of the state where that isn't well */
    const cJSON *disks;     /* storaged's disk.list */
    const cJSON *network;   /* netd's status */
    const cJSON *provision; /* provisiond's status */
    const char *host, *kernel, *time, *load, *memory, *resident, *listening;
    double uptime_s;
    bool ages; /* with what changes by itself: times, ages, load, memory */
};

/* True for the state of a service that runs, or did what it was to do. */
bool page_is_well(const cJSON *state);

/* The page: a line each thing, none wider than `columns` (at least 40), what goes on below being aligned with what is
 * said; at most `rows` lines (0: no bound), of lists that are too long for that "... and 12 more".
 * The caller's, free(). NULL when memory is out. What comes from daemons is printed as ASCII, each other character as
 * ?, so that nobody's text can drive a terminal. */
char *page_make(const struct page_input *input, unsigned columns, unsigned rows);
