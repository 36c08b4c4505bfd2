#pragma once

/* Which request does what: the table of routes. README.md has the API in prose. */

#include "contrib/directory/directory.h"

/* Answers a whole request, or lets it wait; `context` is the struct directory. */
void api_on_request(void *context, struct request *request);
/* Counts it. */
void api_on_done(void *context, const struct request *request);

/* Route `number`, by which requests are counted; the last one stands for all that is none. false: there is none. */
bool api_route(size_t number, const char **ret_method, const char **ret_path);
