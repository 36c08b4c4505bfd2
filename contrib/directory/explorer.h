#pragma once

/* The explorer: one page that reads the API and shows it, with its script and style. Built in, from web/. */

#include "contrib/directory/directory.h"

void explorer_page(struct directory *directory, struct request *request);
void explorer_script(struct directory *directory, struct request *request);
void explorer_style(struct directory *directory, struct request *request);
