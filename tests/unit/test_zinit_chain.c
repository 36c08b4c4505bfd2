/* Which step of the way to the directory fails, and what the operator is told. */

#include "zinit/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NET_OK "{\"uplink\":{\"dns\":[\"10.0.2.3\",\"10.0.2.4\"]},\"step\":null,\"problem\":null}"
#define NET(step, problem) "{\"step\":\"" step "\",\"problem\":\"" problem "\",\"problem_s\":34}"
#define FAILS(step, detail) "{\"directory\":{\"reachable\":false,\"step\":\"" step "\",\"detail\":\"" detail "\"}}"
#define REACHED "{\"directory\":{\"reachable\":true,\"step\":null}}"
#define WAITS "{\"directory\":{\"reachable\":false,\"step\":null}}"

static const struct {
    const char *network, *provision;
    enum chain_step done;
    bool failed;
    const char *text;
} TABLE[] = {
    { "", "", CHAIN_LINK, false, "netd doesn't answer" },
    { "", REACHED, CHAIN_STEPS, false, "netd doesn't answer" },
    { NET_OK, "", CHAIN_DNS, false, "provisiond doesn't answer" },
    { NET_OK, WAITS, CHAIN_DNS, false, "" },
    { NET_OK, REACHED, CHAIN_STEPS, false, "" },
    { NET_OK, FAILS("settings", "no invite"), CHAIN_DNS, false, "" },
    /* The way out, which netd knows before provisiond does. */
    { NET("link", "no network interface"), WAITS, CHAIN_LINK, true,
      "no network interface: the kernel knows no network card in this machine" },
    { NET("link", "no carrier on eth0: is the cable plugged in?"), REACHED, CHAIN_LINK, true,
      "no carrier on eth0: is the cable plugged in?" },
    { NET("lease", "no DHCP answer on eth0"), FAILS("uplink", "x"), CHAIN_LEASE, true,
      "no DHCP answer on eth0 for 34 s: is there a DHCP server on that network? Settings can give an address instead" },
    { NET("route", "no default route by eth0"), REACHED, CHAIN_ROUTE, true,
      "no default route by eth0: the lease or the settings must name a gateway" },
    { NET("DNS", "no DNS server is known on eth0"), WAITS, CHAIN_DNS, true,
      "no DNS server is known on eth0: the lease or the settings must name one" },
    /* A directory that is named by its address needs no DNS. */
    { NET("DNS", "no DNS server is known on eth0"), REACHED, CHAIN_STEPS, false, "" },
    { NET("DNS", "no DNS server is known on eth0"), FAILS("TLS", "TLS with d: no answer"), CHAIN_TLS, true,
      "with d: no answer" },
    { "{\"step\":null,\"problem\":\"the firewall can't be put in force\"}", WAITS, CHAIN_DNS, false, "" },
    /* What comes behind. */
    { NET_OK, FAILS("DNS", "resolve d.example: no DNS server answers"), CHAIN_DNS, true,
      "resolve d.example: no DNS server answers (asked: 10.0.2.3, 10.0.2.4): is it up, and let through?" },
    { NET_OK, FAILS("DNS", "resolve d.example: DNS knows no address of it"), CHAIN_DNS, true,
      "resolve d.example: DNS knows no address of it (asked: 10.0.2.3, 10.0.2.4): is the directory's name right?" },
    { NET_OK, FAILS("TCP", "connect to 203.0.113.7:443: the connection is refused"), CHAIN_TCP, true,
      "connect to 203.0.113.7:443: the connection is refused: does the directory run there?" },
    { NET_OK, FAILS("TCP", "connect to 203.0.113.7:443: no answer"), CHAIN_TCP, true,
      "connect to 203.0.113.7:443: no answer: is its address right, and does a firewall let the node out?" },
    { NET_OK, FAILS("TCP", "connect to 203.0.113.7:443: Host is unreachable"), CHAIN_TCP, true,
      "connect to 203.0.113.7:443: Host is unreachable" },
    { NET_OK, FAILS("TLS", "TLS with d: The certificate is not correctly signed by the trusted CA"), CHAIN_TLS, true,
      "with d: The certificate is not correctly signed by the trusted CA: if the authority is your own, the settings "
      "must have it as directory_ca" },
    { NET_OK, FAILS("TLS", "TLS with d: The certificate validity has expired"), CHAIN_TLS, true,
      "with d: The certificate validity has expired: is the clock right? Else the directory's owner has to renew it" },
    { NET_OK, FAILS("directory", "answered with HTTP status 503"), CHAIN_DIRECTORY, true,
      "answered with HTTP status 503: it isn't well; the node tries on" },
    { NET_OK, FAILS("directory", "the directory's time: is signed by 5F, which isn't the directory's key"),
      CHAIN_DIRECTORY, true,
      "the directory's time: is signed by 5F, which isn't the directory's key: does directory_key in the settings "
      "belong to this directory?" },
    { NET_OK, "{\"directory\":{\"reachable\":true,\"step\":\"clock\",\"detail\":\"it can't be set\"}}", CHAIN_CLOCK,
      true, "it can't be set" },
    /* Answers of another shape. */
    { "{\"step\":7,\"uplink\":[],\"problem\":{}}", "{\"directory\":3}", CHAIN_DNS, false, "" },
    { "{\"step\":\"nonsense\"}", FAILS("nonsense", "x"), CHAIN_DNS, false, "" },
};

static void each_step_is_named_with_what_can_be_done(void **state)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        cJSON *network = cJSON_Parse(TABLE[i].network), *provision = cJSON_Parse(TABLE[i].provision);
        struct chain chain;
        chain_find(network, provision, true, &chain);
        if (chain.done != TABLE[i].done || chain.failed != TABLE[i].failed || strcmp(chain.text, TABLE[i].text) != 0)
            fail_msg("row %zu: %s, %d, \"%s\"", i, chain_name(chain.done), chain.failed, chain.text);
        cJSON_Delete(network);
        cJSON_Delete(provision);
    }
}

/* However long what the daemons say is. */
static void long_texts_are_cut(void **state)
{
    static char network[3000], provision[3000], many[1000];
    struct chain chain;
    cJSON *parts[2];

    memset(many, 'x', sizeof many - 1);
    snprintf(network, sizeof network, "{\"uplink\":{\"dns\":[\"%s\",\"%s\"]}}", many, many);
    snprintf(provision, sizeof provision, "{\"directory\":{\"step\":\"DNS\",\"detail\":\"%s\"}}", many);
    parts[0] = cJSON_Parse(network);
    parts[1] = cJSON_Parse(provision);
    chain_find(parts[0], parts[1], false, &chain);
    assert_in_range(strlen(chain.text), 400, sizeof chain.text - 1);
    cJSON_Delete(parts[0]);
    cJSON_Delete(parts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_named_with_what_can_be_done),
        cmocka_unit_test(long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
