#pragma once

/* A mirror's view of its source: GET /v1/mirror. */

#include "contrib/directory/directory.h"

/* {source, size, held, contact, problem}; 404 where there is no mirror. */
void mirror_get_status(struct directory *directory, struct request *request);
/* Of a mirror: why the source can't be followed now; an empty text when it can. */
void mirror_get_problem(struct directory *directory, struct reason *ret_problem);
