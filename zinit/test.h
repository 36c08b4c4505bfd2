#pragma once

/* A unit's `test`: a command that is run again and again until it succeeds, which is when the service is Running. */

#include "zinit/service.h"

void test_open(struct service *service);
void test_begin(struct service *service);
/* Stops testing; a test that runs is killed. */
void test_end(struct service *service);
