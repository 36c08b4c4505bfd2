#pragma once

/* Which request does what: the table of routes. README.md has the API in prose. */

#include "contrib/directory/directory.h"

/* Answers a whole request, or lets it wait; `context` is the struct directory. */
void api_on_request(void *context, struct request *request);
