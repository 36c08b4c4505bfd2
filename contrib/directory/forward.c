/* A request of the pool each; UV_THREADPOOL_SIZE says how many run at once. */

#include "contrib/directory/forward.h"

#include "lib/cleanup.h"
#include "lib/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 20000
#define ANSWER_BYTES_MAX ((size_t)1024 * 1024)

struct job {
    uv_work_t work;
    struct directory *directory;
    struct request *request;
    char url[1024 + 256];
    int result;
    struct http_answer answer;
    struct reason reason;
    struct statement heartbeat; /* a zero `payload`: none */
};

static void run(uv_work_t *work)
{
    struct job *job = work->data;
    struct request *request = job->request;
    struct http_request outgoing = {
        .method = request->method,
        .url = job->url,
        .headers = request->body ? (const char *const[]){ "Content-Type: application/json", NULL } : NULL,
        .body = request->body,
        .body_size = request->body_size,
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .timeout_ms = TIMEOUT_MS,
        .ca_pem = job->directory->forward->ca_pem,
        .cancelled = job->directory->forward->cancelled,
        .context = job->directory->forward->context,
    };
    struct reason ignored;

    job->result = http_perform(&outgoing, &job->answer, &job->reason);
    if (job->result || job->answer.status != 200 || !request->body)
        return;
    if (statement_open(request->body, request->body_size, &job->heartbeat, &ignored))
        job->heartbeat = (struct statement){ 0 };
}

static void answer(struct job *job)
{
    struct request *request = job->request;
    size_t size = job->answer.body_size;

    if (job->result) {
        request_problem(request, 503, "this is a mirror, and the directory can't be reached: %s", job->reason.text);
        return;
    }
    request->retry_after_s = job->answer.retry_after_s;
    request_answer(request, job->answer.status,
                   job->answer.status < 400 ? "application/json" : "application/problem+json",
                   steal_pointer(job->answer.body), size);
    http_answer_close(&job->answer);
}

/* Who was seen here is up here: heartbeats aren't in the log. */
static void note_heartbeat(struct job *job)
{
    struct directory *directory = job->directory;

    if (job->heartbeat.payload && job->heartbeat.kind == STATEMENT_HEARTBEAT) {
        presence_beat(directory->presence, directory->reader, &job->heartbeat, directory_now(), &job->reason);
        store_clear(directory->reader);
    }
    statement_close(&job->heartbeat);
}

static void on_done(uv_work_t *work, int status)
{
    struct job *job = work->data;

    note_heartbeat(job);
    answer(job);
    job->directory->jobs--;
    job->directory->forward->count--;
    request_resume(job->request);
    free(job);
}

void forward_request(struct directory *directory, struct request *request, const char *path)
{
    struct forward *forward = directory->forward;
    struct job *job = forward->count < forward->max ? calloc(1, sizeof *job) : NULL;

    if (!job) {
        request_problem(request, 503, "too much is under way");
        return;
    }
    job->work.data = job;
    job->directory = directory;
    job->request = request;
    snprintf(job->url, sizeof job->url, "%s%s", forward->url, path);
    directory->jobs++;
    forward->count++;
    request_wait(request);
    uv_queue_work(directory->loop, &job->work, run, on_done);
}
