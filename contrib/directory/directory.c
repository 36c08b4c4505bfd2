/* The few things that several parts do alike. */

#include "contrib/directory/directory.h"

#include "contrib/directory/gather.h"
#include "contrib/directory/log_wait.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GZIP_BYTES_MIN 1024 /* less fits into a packet as it is */

int64_t directory_now(void)
{
    return (int64_t)time(NULL);
}

const struct tlog_head *directory_public_head(const struct directory *directory)
{
    return directory->cosigned.note ? &directory->cosigned : &directory->head;
}

void directory_grew(struct directory *directory)
{
    if (directory->gather)
        gather_head(directory->gather);
    log_wait_wake(directory->log_wait);
}

void directory_finish_read(struct directory *directory, struct request *request)
{
    if (store_clear(directory->reader) < 0)
        request_problem(request, 503, "the store can't be read now");
}

/* ---- gzip */

struct gzip_job {
    uv_work_t work;
    struct directory *directory;
    struct request *request;
};

static void on_gzip(uv_work_t *work)
{
    struct gzip_job *job = work->data;

    request_gzip(job->request);
}

static void on_gzipped(uv_work_t *work, int status)
{
    struct gzip_job *job = work->data;

    job->directory->jobs--;
    request_resume(job->request);
    free(job);
}

/* Without memory for it the answer goes out as it is. */
void directory_gzip(struct directory *directory, struct request *request)
{
    struct gzip_job *job;

    request->varies = true;
    if (request->status != 200 || request->answer_size < GZIP_BYTES_MIN || !request_takes_gzip(request))
        return;
    job = malloc(sizeof *job);
    if (!job)
        return;
    *job = (struct gzip_job){ .work.data = job, .directory = directory, .request = request };
    directory->jobs++;
    request_wait(request);
    uv_queue_work(directory->loop, &job->work, on_gzip, on_gzipped);
}

/* ---- The time */

void directory_answer_time(struct directory *directory, struct request *request, const char *nonce)
{
    cleanup_json cJSON *payload = cJSON_CreateObject();
    struct reason reason = { 0 };
    char *bytes = NULL;

    cJSON_AddStringToObject(payload, "nonce", nonce);
    json_add_integer(payload, "heartbeat_s", directory->heartbeat_s);
    if (directory->gather)
        json_add_integer(payload, "uncosigned_s", gather_waiting_s(directory->gather));
    int error = statement_sign(STATEMENT_TIME, payload, directory_now(), directory->signer.key, &bytes, NULL, &reason);
    if (error) {
        log_error("time can't be signed: %s", reason.text);
        request_problem(request, 503, "the time can't be signed now");
        return;
    }
    request_answer_bytes(request, "application/json", bytes, strlen(bytes));
}
