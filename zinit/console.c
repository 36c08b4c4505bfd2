/* The console process: asks, and prints a page when it differs from the last one. It blocks as it likes, being no part
 * of PID 1; a daemon that doesn't answer in time is shown as such. */

#include "zinit/console.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/rpc.h"
#include "zinit/census.h"
#include "zinit/loop.h"
#include "zinit/page.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define EVERY_S 2
#define FIRST_S 4 /* the boot has better to do before */
#define TIMEOUT_MS 1000

/* `name` (may be NULL) is the one parameter. */
static cJSON *ask(const char *daemon, const char *method, const char *name)
{
    const char *run = getenv("ZOS_RUN");
    char path[108];
    cJSON *answer = NULL;
    cleanup_json cJSON *params = name ? cJSON_CreateObject() : NULL;
    struct reason reason;

    if (params)
        cJSON_AddStringToObject(params, "name", name);

    snprintf(path, sizeof path, "%s/%s.sock", run ? run : "/run", daemon);
    if (rpc_call(path, method, params, TIMEOUT_MS, &answer, NULL, &reason))
        return NULL;
    return answer;
}

/* In the place of the state of each service that isn't well: its whole status, which has the reason. */
static void ask_reasons(cJSON *services)
{
    cJSON *next;

    for (cJSON *service = services ? services->child : NULL; service; service = next) {
        cJSON *status = page_is_well(service) ? NULL : ask("zinit", "service_status", service->string);
        next = service->next;
        if (status)
            cJSON_ReplaceItemInObjectCaseSensitive(services, service->string, status);
    }
}

static char *make_page(void)
{
    cleanup_json cJSON *services = ask("zinit", "service_list", NULL);
    cleanup_json cJSON *disks = ask("storaged", "disk.list", NULL);
    cleanup_json cJSON *network = ask("netd", "status", NULL);
    cleanup_json cJSON *provision = ask("provisiond", "status", NULL);

    cleanup_free char *listening = census_listening("");

    ask_reasons(services);
    return page_make(&(struct page_input){ services, disks, network, provision, listening });
}

/* In one write, which nothing else comes in between of (PIPE_BUF). */
static void print_page(const char *page)
{
    cleanup_free char *memory = census_memory(""), *resident = census_resident(""), *whole = NULL, *wrapped = NULL;
    struct utsname kernel;

    uname(&kernel);
    if (asprintf(&whole, "\n  Zero-OS on %s, Linux %s, up %u s\n  memory     %s\n  resident   %s\n%s\n",
                 kernel.nodename, kernel.release, (unsigned)(loop_now_ms() / 1000), memory ? memory : "?",
                 resident ? resident : "?", page) < 0)
        whole = NULL;
    wrapped = whole ? page_wrap(whole) : NULL;
    if (wrapped && write(STDOUT_FILENO, wrapped, strlen(wrapped)) < 0)
        log_debug("standard output takes nothing");
}

int console_run(void)
{
    cleanup_free char *shown = NULL;

    for (;;) {
        char *page;
        sleep(shown ? EVERY_S : FIRST_S);
        page = make_page();
        if (page && (!shown || strcmp(page, shown) != 0)) {
            print_page(page);
            free(shown);
            shown = page;
        } else {
            free(page);
        }
    }
}
