#pragma once

/* The part of a request that only server.c needs beside server.h: it speaks libmicrohttpd. */

#include "contrib/directory/server.h"

#include <microhttpd.h>

/* Counts the answer's size among what clients have to take. false: that is too much already, and it isn't counted. */
bool request_count(struct request *request, size_t size);
/* Hands the answer over to the connection. */
enum MHD_Result request_send(struct request *request);
