/* 3bot: the user's command. Here is its table of commands, and nothing else. */

#include "contrib/3bot/commands.h"

#include "lib/log.h"

static const struct command COMMANDS[] = {
    { "init", "", 0, 0, "make the bot's key, and register it at a directory",
      "The key is made once and kept in ~/.config/3bot (or $XDG_CONFIG_HOME/3bot, or $THREEBOT_HOME). Keep a copy of "
      "the\n"
      "file `key` in a safe place: whoever has it is the bot, and nobody can give it back to you. Running init again "
      "is\n"
      "harmless: it makes what is missing. The directory's key is what its operator publishes, `name+hash+key`.",
      BOT_INIT_OPTIONS, bot_init },
    { "id", "", 0, 0, "print the bot's id", NULL, NULL, bot_id },
    { "farm create", "NAME", 1, 1, "make a farm: a place for your nodes",
      "A farm of yours that has the name already is told again.", FARM_CREATE_OPTIONS, farm_create },
    { "farm list", "", 0, 0, "list the farms", NULL, FARM_LIST_OPTIONS, farm_list },
    { "invite", "", 0, 0, "sign an invite with which machines join your farm as nodes",
      "Prints the signed invite, or, ready to boot with, a node's whole settings or the words for its kernel command "
      "line.\n"
      "Whoever has an invite can add machines to the farm until it expires or is used up: hand it on with care.",
      INVITE_OPTIONS, invite_run },
    { "node list", "", 0, 0, "list the nodes, and what they have free", NULL, NODE_LIST_OPTIONS, node_list },
    { "node show", "ID", 1, 1, "show a node, from its own signed statement",
      "The first digits of an id are enough when no other node has them.", NULL, node_show },
    { "deploy", "FILE", 1, 1, "sign a contract for what FILE describes, and follow it until it runs",
      "FILE is YAML or JSON, - for standard input; contrib/3bot/README.md has its format and examples. The contract "
      "can be\n"
      "read by the node and by you alone, unless --public is given.",
      DEPLOY_OPTIONS, deploy_run },
    { "status", "[ID]", 0, 1, "list your contracts, or show one and what runs under it",
      "The first digits of an id are enough when no other contract of yours has them.", STATUS_OPTIONS, status_run },
    { "cancel", "ID", 1, 1, "end a contract; the data of its volumes is destroyed", NULL, CANCEL_OPTIONS, cancel_run },
    { "verify", "ID", 1, 1, "check a statement: signature, log, history",
      "Fetches a statement and proves every claim about it here, with the keys alone, trusting nothing the directory "
      "says.",
      NULL, verify_run },
    { 0 },
};

int main(int argc, char **argv)
{
    log_open("3bot");
    return command_main(COMMANDS, argc, argv);
}
