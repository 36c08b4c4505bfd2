#pragma once

/* The explorer: one page that reads the API and shows it, with its script and style. Built in, from web/. */

#include "contrib/directory/directory.h"

void explorer_page(struct directory *directory, struct request *request);
void explorer_script(struct directory *directory, struct request *request);
void explorer_module(struct directory *directory, struct request *request); /* verify.js */
void explorer_style(struct directory *directory, struct request *request);
/* GET /v1/openapi.json: the description of the API (OpenAPI 3.1). */
void explorer_openapi(struct directory *directory, struct request *request);
