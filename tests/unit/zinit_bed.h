#pragma once

/* A supervisor to test services under: units in a folder of their own, and a loop that turns until something holds. */

#include "lib/file.h"
#include "zinit/kin.h"
#include "zinit/service.h"
#include "zinit/supervisor.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern struct supervisor bed;
extern char bed_dir[64]; /* of the units; may hold other files of a test */

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_begin, bed_end)
int bed_begin(void **state);
int bed_end(void **state);

void bed_unit(const char *name, const char *text);
/* Turns the loop until `condition` holds; false when it doesn't in 10 s. */
bool bed_comes(bool (*condition)(void));
/* Turns the loop for a while. */
void bed_turn(uint64_t ms);
struct service *bed_get(const char *name);
bool bed_is(const char *name, const char *state);
/* Whether the service has written this line. */
bool bed_logged(const char *name, const char *text);
/* Whether a line of the stream holds the text. */
bool bed_logged_by(struct log_stream *stream, const char *text);
