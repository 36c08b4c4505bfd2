#pragma once

/* A mirror's view of its source: GET /v1/mirror. */

#include "contrib/directory/directory.h"

/* {source, size, held, contact, problem}; 404 where there is no mirror. */
void mirror_get_status(struct directory *directory, struct request *request);
