/* The supervisor that services are tested under. */

#include "tests/unit/zinit_bed.h"

#define PATIENCE_MS 10000

struct supervisor bed;
char bed_dir[64];

static bool (*wanted)(void);
static bool seen;
static int error_fd; /* standard error as it was: the supervisor takes it over */
static struct loop_timer look, patience;

void bed_unit(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s.yaml", bed_dir, name);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
}

static void on_look(struct loop_timer *timer)
{
    seen = wanted();
    if (seen)
        loop_end(&bed.loop);
    else
        loop_arm(&bed.loop, timer, 5);
}

static void on_patience(struct loop_timer *timer)
{
    loop_end(&bed.loop);
}

static void turn(uint64_t at_most_ms)
{
    patience = (struct loop_timer){ .on_fire = on_patience };
    bed.loop.ended = false;
    loop_arm(&bed.loop, &patience, at_most_ms);
    loop_run(&bed.loop);
    loop_disarm(&bed.loop, &patience);
}

bool bed_comes(bool (*condition)(void))
{
    wanted = condition;
    look = (struct loop_timer){ .on_fire = on_look };
    loop_arm(&bed.loop, &look, 0);
    turn(PATIENCE_MS);
    loop_disarm(&bed.loop, &look);
    return seen || wanted();
}

void bed_turn(uint64_t ms)
{
    turn(ms);
}

struct service *bed_get(const char *name)
{
    return supervisor_find(&bed, name);
}

bool bed_is(const char *name, const char *state)
{
    return strcmp(service_state_name(bed_get(name)), state) == 0;
}

static bool find(struct log_stream *stream, const char *text, bool whole)
{
    static char line_text[RING_LINE_BYTES_MAX + 1];
    struct ring_line line;

    for (size_t cursor = 0; ring_next(&stream->ring, &cursor, &line, line_text);)
        if (whole ? strcmp(line_text, text) == 0 : strstr(line_text, text) != NULL)
            return true;
    return false;
}

bool bed_logged(const char *name, const char *text)
{
    return find(&bed_get(name)->log, text, true);
}

bool bed_logged_by(struct log_stream *stream, const char *text)
{
    return find(stream, text, false);
}

int bed_begin(void **state)
{
    error_fd = dup(STDERR_FILENO);
    strcpy(bed_dir, "/tmp/zinit-test-XXXXXX");
    return mkdtemp(bed_dir) && supervisor_open(&bed, bed_dir, true) == 0 ? 0 : -1;
}

static bool all_down(void)
{
    for (struct service *service = bed.services; service; service = service->next)
        if (service->pid || service_lingers(service))
            return false;
    return true;
}

int bed_end(void **state)
{
    bool down;

    bed.shutdown = SHUTDOWN_NONE;
    for (struct service *service = bed.services; service; service = service->next)
        service_stop(service);
    down = bed_comes(all_down);
    supervisor_close(&bed);
    dup2(error_fd, STDERR_FILENO);
    close(error_fd);
    return down && file_remove_tree(bed_dir) == 0 ? 0 : -1;
}
