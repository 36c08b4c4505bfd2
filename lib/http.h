#pragma once

/* HTTP requests through libcurl, blocking: the user's command calls it as it is, daemons from a job of the thread pool.
 * TLS 1.2 or newer, certificates verified, no redirects to another scheme, at most 3 redirects, bounded size and time.
 */

#include "lib/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request {
    const char *method; /* "GET", "POST" … */
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end; or NULL */
    const void *body;
    size_t body_size;
    size_t answer_bytes_max;
    bool gzip; /* the answer may come compressed; `answer_bytes_max` is of what it becomes. Needs a libcurl with zlib */
    unsigned timeout_ms;  /* for the whole; 0: no bound in all, but a stall of 60 s ends it */
    const char *ca_file;  /* PEM file of authorities; NULL: the system's */
    const char *ca_pem;   /* or the text itself */
    bool any_certificate; /* whoever answers will do: for an answer that proves itself by a signature */
    /* When set, the body of a 2xx answer goes here instead of into answer->body; a non-zero return aborts. */
    int (*on_data)(void *context, const void *data, size_t size);
    void *context;
    /* When set, is asked about once a second; true gives the request up. */
    bool (*cancelled)(void *context);
};

struct http_answer {
    int status;
    char *body; /* NUL-terminated behind its size */
    size_t body_size;
    char content_type[128];
    char www_authenticate[1024];
    unsigned retry_after_s; /* 0: not given */
};

/* Once a process, before threads. 0 or negative errno. */
int http_open(void);

/* The step at which a request came to nothing, in the order in which they are taken. */
enum {
    HTTP_RESOLVE = 2, /* the host's name */
    HTTP_CONNECT,     /* TCP */
    HTTP_TLS,
    HTTP_TRANSFER, /* what is said behind that: a connection that breaks, an answer that doesn't come, or too much */
};

/* 0 when an answer came, whatever its status (http_answer_close). Else a step of the above, or REFUSED when it is our
 * own side that doesn't go on (an address that isn't one, no memory, given up): the reason names step and host. The
 * reason of a step is the same each time it fails in the same way. */
int http_perform(const struct http_request *request, struct http_answer *ret_answer, struct reason *reason);
void http_answer_close(struct http_answer *answer);

/* What an RFC 9457 problem says (`title: detail`), or the status alone, as a reason; always returns REFUSED. */
int http_problem(const struct http_answer *answer, struct reason *reason);
