/* Commands: each is one call, its answer printed plainly. */

#include "zinit/client.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/rpc.h"
#include "zinit/kexec.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000

struct command {
    const char *name, *method, *first, *second; /* the parameters' names; NULL: none */
    int least;                                  /* how many must be given */
    const char *help;
};

static const struct command COMMANDS[] = {
    { "list", "service_list", NULL, NULL, 0, "list               all services and their states" },
    { "status", "service_status", "name", NULL, 1, "status NAME        one service in full" },
    { "start", "service_start", "name", NULL, 1, "start NAME         want it up" },
    { "stop", "service_stop", "name", NULL, 1, "stop NAME          want it down" },
    { "kill", "service_kill", "name", "signal", 2, "kill NAME SIGNAL   send its process a signal" },
    { "monitor", "service_monitor", "name", NULL, 1, "monitor NAME       read its unit and start it" },
    { "forget", "service_forget", "name", NULL, 1, "forget NAME        drop a service that is down" },
    { "get", "service_get", "name", NULL, 1, "get NAME           its unit" },
    { "delete", "service_delete", "name", NULL, 1, "delete NAME        remove its unit's file" },
    { "log", "stream_currentLogs", "name", NULL, 0,
      "log [NAME]         the last lines (--boot -1: of the boot before, from the disk)" },
    { "shutdown", "system_shutdown", NULL, NULL, 0, "shutdown           stop all and power off" },
    { "reboot", "system_reboot", NULL, NULL, 0, "reboot             stop all and start again" },
};

#define COMMANDS_COUNT (sizeof COMMANDS / sizeof COMMANDS[0])

void client_help(void)
{
    puts("zinit, the supervisor\n\n"
         "  zinit [-s SOCKET] init [-c DIR] [--container]   supervise the units in DIR (/etc/zinit)\n"
         "  zinit console                                   show the node's state as it changes\n"
         "  zinit [-s SOCKET] COMMAND                       (SOCKET: /run/zinit.sock)\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        printf("    %s\n", COMMANDS[i].help);
    puts("    create NAME FILE   store a unit, given as a JSON object in FILE\n"
         "    kexec KERNEL [LINE]  load a kernel to start with LINE (or this one's) as its command line\n"
         "    kexec              stop all and start the kernel that was loaded");
}

static void print_value(const cJSON *value)
{
    cleanup_free char *text = cJSON_IsString(value) ? NULL : cJSON_PrintUnformatted(value);

    puts(cJSON_IsString(value) ? value->valuestring : text ? text : "");
}

static void print_answer(const cJSON *answer)
{
    const cJSON *item;

    if (cJSON_IsNull(answer))
        return;
    if (!cJSON_IsObject(answer) && !cJSON_IsArray(answer)) {
        print_value(answer);
        return;
    }
    cJSON_ArrayForEach(item, answer) {
        if (item->string)
            printf("%s: ", item->string);
        print_value(item);
    }
}

static int call(const char *socket_path, const char *method, const cJSON *params)
{
    cleanup_json cJSON *answer = NULL;
    struct reason reason = { "" };

    if (rpc_call(socket_path, method, params, TIMEOUT_MS, &answer, NULL, &reason)) {
        fprintf(stderr, "zinit: %s\n", reason.text);
        return 1;
    }
    print_answer(answer);
    return 0;
}

static int create(const char *socket_path, const char *name, const char *file)
{
    cleanup_json cJSON *params = cJSON_CreateObject();
    cleanup_free char *text = NULL;
    struct reason reason = { "" };
    cJSON *content;
    size_t size;
    int error = file_read(file, JSON_SIZE_MAX, &text, &size);

    if (error) {
        fprintf(stderr, "zinit: %s: %s\n", file, strerror(-error));
        return 1;
    }
    if (json_parse(text, size, JSON_SIZE_MAX, &content, &reason)) {
        fprintf(stderr, "zinit: %s: %s\n", file, reason.text);
        return 1;
    }
    cJSON_AddStringToObject(params, "name", name);
    cJSON_AddItemToObject(params, "content", content);
    return call(socket_path, "service_create", params);
}

static int kexec(const char *socket_path, const char *kernel, const char *line)
{
    cleanup_json cJSON *params = cJSON_CreateObject();
    struct reason reason = { "" };

    if (!kernel) {
        cJSON_AddTrueToObject(params, "kexec");
        return call(socket_path, "system_reboot", params);
    }
    if (kexec_load(kernel, line, &reason) == 0)
        return 0;
    fprintf(stderr, "zinit: %s\n", reason.text);
    return 1;
}

int client_run(const char *socket_path, int argc, char **argv)
{
    cleanup_json cJSON *params = cJSON_CreateObject();

    if (argc == 3 && strcmp(argv[0], "create") == 0)
        return create(socket_path, argv[1], argv[2]);
    if (argc <= 3 && strcmp(argv[0], "kexec") == 0)
        return kexec(socket_path, argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : NULL);
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        const struct command *command = &COMMANDS[i];
        int most = (command->first != NULL) + (command->second != NULL);
        if (strcmp(argv[0], command->name) != 0)
            continue;
        if (argc - 1 < command->least || argc - 1 > most) {
            fprintf(stderr, "zinit: usage: zinit %s\n", command->help);
            return 2;
        }
        if (argc > 1)
            cJSON_AddStringToObject(params, command->first, argv[1]);
        if (argc > 2)
            cJSON_AddStringToObject(params, command->second, argv[2]);
        return call(socket_path, command->method, params);
    }
    fprintf(stderr, "zinit: there is no command %s; `zinit --help` lists them\n", argv[0]);
    return 2;
}
