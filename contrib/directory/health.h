#pragma once

/* Whether this directoryd can do its work, for whoever sends it requests: a proxy, a supervisor. */

#include "contrib/directory/directory.h"

/* GET /healthz: {status, role, size, cosigned, problems[]}; 200 when it can read and have statements written, else 503
 * with what is wrong. */
void health_get(struct directory *directory, struct request *request);
