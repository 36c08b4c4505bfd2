#pragma once

/* Requests that only the directory itself can answer, handed on to it by a mirror. */

#include "contrib/directory/directory.h"

struct forward {
    char url[1024];                   /* of the directory, without a slash at the end */
    char *ca_pem;                     /* or NULL */
    unsigned max;                     /* at once; fewer than the pool has threads, which others need too */
    unsigned count;                   /* under way */
    bool (*cancelled)(void *context); /* the end: what is under way is given up; asked on the pool's threads */
    void *context;
};

/* Hands the request on, body and all, to `path` (with its query) there; it waits, and is answered as it was answered
 * there, or with 503; at once when `max` are under way. A heartbeat that was taken there is taken here as well. */
void forward_request(struct directory *directory, struct request *request, const char *path);
