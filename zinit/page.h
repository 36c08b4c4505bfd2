#pragma once

/* The console page as text: pure, from what the daemons answered. */

#include <cjson/cJSON.h>
#include <stdbool.h>

/* What fits on VGA's text screen of 80 columns without its own wrapping. */
#define PAGE_COLUMNS 79

/* Answers as they came; NULL: that daemon doesn't answer. */
struct page_input {
    const cJSON *services;  /* zinit's service_list, the service_status in place of the state where that isn't well */
    const cJSON *disks;     /* storaged's disk.list */
    const cJSON *network;   /* netd's status */
    const cJSON *provision; /* provisiond's status */
    const char *listening;  /* census.h; NULL: left out */
};

/* True for the state of a service that runs, or did what it was to do. */
bool page_is_well(const cJSON *state);

/* The page, a line each thing; the caller's, free(). NULL when memory is out. Strings in it come from daemons and are
 * printed with control characters as ?. */
char *page_make(const struct page_input *input);

/* The same text with every line at most PAGE_COLUMNS wide where it has a space to be broken at, what goes on a line
 * below aligned with what is said. The caller's, free(). NULL when memory is out. */
char *page_wrap(const char *text);
