#pragma once

/* The commands, one function each, and the tables of their options; main.c lists them. */

#include "contrib/3bot/command.h"

extern const struct command_option BOT_INIT_OPTIONS[], FARM_CREATE_OPTIONS[], FARM_LIST_OPTIONS[], INVITE_OPTIONS[],
    NODE_LIST_OPTIONS[], DEPLOY_OPTIONS[], STATUS_OPTIONS[], CANCEL_OPTIONS[];

int bot_init(struct call *call);
int bot_id(struct call *call);
int farm_create(struct call *call);
int farm_list(struct call *call);
int invite_run(struct call *call);
int node_list(struct call *call);
int node_show(struct call *call);
int deploy_run(struct call *call);
int status_run(struct call *call);
int cancel_run(struct call *call);
int verify_run(struct call *call);
