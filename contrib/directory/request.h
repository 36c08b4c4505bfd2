#pragma once

/* The part of a request that only server.c needs beside server.h: it speaks libmicrohttpd. */

#include "contrib/directory/server.h"

#include <microhttpd.h>

/* Hands the answer over to the connection. */
enum MHD_Result request_send(struct request *request);
