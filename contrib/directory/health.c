/* What is wrong is found by looking: the store is read now; whether it can be written the last commit tells, and when
 * that failed a trial commit is begun, so that it comes back by itself. */

#include "contrib/directory/health.h"

#include "contrib/directory/mirror.h"
#include "contrib/directory/office.h"
#include "contrib/directory/scrub.h"
#include "contrib/directory/sequencer.h"

#include <string.h>

static void add_problem(cJSON *problems, const char *text)
{
    cJSON_AddItemToArray(problems, cJSON_CreateString(text));
}

static void check_reading(struct directory *directory, cJSON *problems)
{
    cleanup_rows struct store_rows rows;

    store_select_values(directory->reader, &rows, "SELECT value FROM meta WHERE name = 'log'", NULL, 0);
    if (!store_next(&rows))
        add_problem(problems, "the store can't be read");
}

static const char *role_of(const struct directory *directory)
{
    if (directory->forward)
        return "mirror";
    if (!directory->office)
        return "alone";
    return directory->writer ? "in_office" : "front";
}

/* What a mirror has goes on being good when its source can't be reached: it is told, and counts for nothing. */
static void tell_of_source(struct directory *directory, cJSON *problems)
{
    struct reason problem;

    mirror_get_problem(directory, &problem);
    if (problem.text[0])
        add_problem(problems, problem.text);
}

static void check_writing(struct directory *directory, cJSON *problems)
{
    int error = sequencer_error(directory->sequencer);
    char text[128];

    if (!directory->writer && !office_is_filled(directory->office))
        add_problem(problems, "nobody writes the log: the database is away, or no directoryd can take office");
    if (!directory->writer || !error)
        return;
    snprintf(text, sizeof text, "the last commit failed: %s", strerror(-error));
    add_problem(problems, text);
    sequencer_flush(directory->sequencer, SEQUENCER_PROVE);
}

/* How far the check of the log that was there at the start has come. */
static void add_check(cJSON *answer, const struct scrub *scrub)
{
    cJSON *check = scrub ? cJSON_AddObjectToObject(answer, "check") : cJSON_AddNullToObject(answer, "check");

    if (!scrub)
        return;
    json_add_integer(check, "done", (int64_t)scrub_done(scrub));
    json_add_integer(check, "of", (int64_t)scrub_size(scrub));
}

void health_get(struct directory *directory, struct request *request)
{
    cJSON *answer = cJSON_CreateObject(), *problems = cJSON_CreateArray();

    if (scrub_damage(directory->scrub))
        add_problem(problems, scrub_damage(directory->scrub));
    check_reading(directory, problems);
    store_clear(directory->reader);
    if (!directory->forward)
        check_writing(directory, problems);
    bool ok = cJSON_GetArraySize(problems) == 0;
    if (directory->forward)
        tell_of_source(directory, problems);
    cJSON_AddStringToObject(answer, "status", ok ? "ok" : "failing");
    cJSON_AddStringToObject(answer, "role", role_of(directory));
    json_add_integer(answer, "size", (int64_t)directory->head.checkpoint.size);
    if (directory->cosigned.note)
        json_add_integer(answer, "cosigned", (int64_t)directory->cosigned.checkpoint.size);
    else
        cJSON_AddNullToObject(answer, "cosigned");
    add_check(answer, directory->scrub);
    cJSON_AddItemToObject(answer, "problems", problems);
    request_answer_json(request, ok ? 200 : 503, answer);
    if (!ok)
        request->retry_after_s = 1;
}
