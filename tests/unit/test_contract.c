/* Contracts: the example of the format, every rule broken once, what the workloads add up to, and the private form. */

#include "lib/cleanup.h"
#include "lib/contract.h"
#include "lib/contract_text.h"
#include "lib/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define KEY_A "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"
#define KEY_B "'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA='"
#define BOX "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'" /* 51 bytes */
#define NET                                                                                                            \
    "{'name':'net','type':'network','data':{'range':'10.20.0.0/16','subnet':'10.20.1.0/24','listen_port':51820,"       \
    "'access':false,'peers':[{'public_key':" KEY_A ",'endpoint':'203.0.113.7:51820','allowed':['10.20.2.0/24']}]}}"
#define DATA "{'name':'data','type':'volume','data':{'size_bytes':1073741824,'media':'ssd'}}"
#define WEB                                                                                                            \
    "{'name':'web','type':'container','data':{'image':'registry.example/shop/web@" DIGEST "','plain_http':false,"      \
    "'entrypoint':[],'args':[],'env':{'A':'b'},'secret_env':{'PASSWORD':" BOX "},'cpu_milli':500,"                     \
    "'memory_bytes':268435456,'root_size_bytes':1073741824,'user':'','mounts':[{'volume':'data','target':'/data',"     \
    "'read_only':false}],'networks':[{'network':'net','address':'10.20.1.5'}],'restart':'always'}}"
#define CONTAINER(name, more)                                                                                          \
    "{'name':'" name "','type':'container','data':{'image':'r.example/a@" DIGEST                                       \
    "','cpu_milli':1,'memory_bytes':4194304,'root_size_bytes':1048576" more "}}"
#define IMAGE(image)                                                                                                   \
    "[{'name':'c','type':'container','data':{'image':'" image                                                          \
    "','cpu_milli':1,'memory_bytes':4194304,'root_size_bytes':1048576}}]"
#define NETWORK(members) "[{'name':'net','type':'network','data':{" members "}}]"

/* Takes ' for ". */
static cJSON *parse(const char *text)
{
    cleanup_free char *copy = strdup(text);
    cJSON *value = NULL;
    struct reason reason;

    for (char *at = copy; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    if (json_parse(copy, strlen(copy), JSON_SIZE_MAX, &value, &reason) != 0)
        fail_msg("%s: %s", text, reason.text);
    return value;
}

static void assert_workloads(const char *text, const char *wanted)
{
    cleanup_json cJSON *workloads = parse(text);
    struct reason reason = { 0 };
    int r = contract_check_workloads(workloads, &reason);

    if (r != (*wanted ? REFUSED : 0))
        fail_msg("%s: %s", text, reason.text);
    assert_string_equal(reason.text, wanted);
}

static void takes_the_example(void **state)
{
    assert_workloads("[" NET "," DATA "," WEB "]", "");
    assert_workloads("[" WEB "," DATA "," NET "]", ""); /* the order in the list is free */
}

static void takes_what_leaves_out_all_that_is_optional(void **state)
{
    assert_workloads("[" CONTAINER("c", "") "]", "");
    assert_workloads(NETWORK("'range':'192.168.0.0/16','subnet':'192.168.7.0/30'"), "");
    assert_workloads(NETWORK("'range':'10.0.0.0/8','subnet':'10.0.0.0/8','peers':[],'listen_port':0"), "");
}

static void refuses_lists_of_workloads_that_are_amiss(void **state)
{
    char many[8192] = "[";

    assert_workloads("{}", "workloads: must be an array");
    assert_workloads("[]", "workloads: must have 1 to 64 items");
    assert_workloads("[1]", "workloads[0]: must be an object");
    assert_workloads("[{}]", "workloads[0].name: is missing");
    assert_workloads("[{'name':'a'}]", "workloads[0].type: is missing");
    assert_workloads("[{'name':'a','type':'volume'}]", "workloads[0].data: is missing");
    assert_workloads("[{'name':'a','type':'vm','data':{}}]", "workloads[0].type: must be network, volume or container");
    assert_workloads("[{'name':'a','type':'volume','data':{},'x':1}]", "workloads[0].x: unknown key");
    assert_workloads("[" DATA "," DATA "]", "workloads[1].name: stands twice");
    assert_workloads("[{'name':'A','type':'volume','data':{}}]",
                     "workloads[0].name: must be 1 to 32 of a-z, 0-9 and '-', the first a letter or a digit");
    for (int i = 0; i < 65; i++)
        sprintf(many + strlen(many), "%s{'name':'v%d','type':'volume','data':{'size_bytes':1048576,'media':'hdd'}}",
                i ? "," : "", i);
    strcat(many, "]");
    assert_workloads(many, "workloads: must have 1 to 64 items");
}

static void refuses_volumes_that_are_amiss(void **state)
{
    static const struct {
        const char *data, *reason;
    } cases[] = {
        { "{'size_bytes':1048576,'media':'hdd'}", "" },
        { "{'size_bytes':1048575,'media':'hdd'}", "size_bytes: must be at least 1048576" },
        { "{'size_bytes':'1G','media':'hdd'}", "size_bytes: must be an integer" },
        { "{'size_bytes':1048576,'media':'nvme'}", "media: must be ssd or hdd" },
        { "{'size_bytes':1048576}", "media: is missing" },
        { "{'media':'ssd'}", "size_bytes: is missing" },
        { "{'size_bytes':1048576,'media':'ssd','path':'/'}", "path: unknown key" },
    };
    char text[256], wanted[256];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "[{'name':'v','type':'volume','data':%s}]", cases[i].data);
        snprintf(wanted, sizeof wanted, "%s%s", *cases[i].reason ? "workloads[0].data." : "", cases[i].reason);
        assert_workloads(text, wanted);
    }
}

static void refuses_containers_that_are_amiss(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "[" DATA ",{'name':'web','type':'container','data':{'image':'r.example/a@" DIGEST
          "','cpu_milli':1,'memory_bytes':4194303,'root_size_bytes':1048576}}]",
          "workloads[1].data.memory_bytes: must be at least 4194304" },
        { "[{'name':'c','type':'container','data':{'image':'r.example/a@" DIGEST
          "','cpu_milli':0,'memory_bytes':4194304,'root_size_bytes':1048576}}]",
          "workloads[0].data.cpu_milli: must be at least 1" },
        { "[{'name':'c','type':'container','data':{'image':'r.example/a@" DIGEST
          "','cpu_milli':1024001,'memory_bytes':4194304,'root_size_bytes':1048576}}]",
          "workloads[0].data.cpu_milli: must be at most 1024000" },
        { "[{'name':'c','type':'container','data':{'image':'r.example/a@" DIGEST
          "','cpu_milli':1,'memory_bytes':4194304,'root_size_bytes':1048575}}]",
          "workloads[0].data.root_size_bytes: must be at least 1048576" },
        { "[" CONTAINER("c", ",'privileged':true") "]", "workloads[0].data.privileged: unknown key" },
        { "[" CONTAINER("c", ",'entrypoint':['/bin/sh','','-c']") "]", "" },
        { "[" CONTAINER("c", ",'entrypoint':['']") "]",
          "workloads[0].data.entrypoint: must not begin with an empty string" },
        { "[" CONTAINER("c", ",'entrypoint':'/bin/sh'") "]", "workloads[0].data.entrypoint: must be an array" },
        { "[" CONTAINER("c", ",'args':[1]") "]", "workloads[0].data.args[0]: must be a string" },
        { "[" CONTAINER("c", ",'env':{'A':1}") "]", "workloads[0].data.env.A: must be a string" },
        { "[" CONTAINER("c", ",'env':{'_a.b-c9':''}") "]", "" },
        { "[" CONTAINER("c", ",'env':{'':''}") "]", "workloads[0].data.env: must have names of 1 to 128 of letters, "
                                                    "digits, '_', '.' and '-', not beginning with a "
                                                    "digit, '.' or '-'" },
        { "[" CONTAINER("c", ",'env':{'A=B':''}") "]", "workloads[0].data.env: must have names of 1 to 128 of letters, "
                                                       "digits, '_', '.' and '-', not beginning with a "
                                                       "digit, '.' or '-'" },
        { "[" CONTAINER("c", ",'secret_env':{'A':'AAAA'}") "]",
          "workloads[0].data.secret_env: must hold sealed boxes, which have at least 48 bytes" },
        { "[" CONTAINER("c", ",'secret_env':{'A':'secret'}") "]",
          "workloads[0].data.secret_env.A: must be base64 with padding" },
        { "[" CONTAINER("c", ",'env':{'A':'','B':''},'secret_env':{'B':" BOX "}") "]",
          "workloads[0].data: secret_env and env both have B" },
        { "[" CONTAINER("c", ",'user':'root:root'") "]", "" },
        { "[" CONTAINER("c", ",'user':'a b'") "]",
          "workloads[0].data.user: must be empty, or a user or user:group, as names or numbers" },
        { "[" CONTAINER("c", ",'restart':'sometimes'") "]",
          "workloads[0].data.restart: must be always, on-failure or never" },
        { "[" CONTAINER("c", ",'restart':'on-failure'") "]", "" },
        { "[" CONTAINER("c", ",'mounts':[{'volume':'v','target':'/data'}]") "]",
          "workloads[0].data.mounts[0].volume: must name a volume of this contract" },
        { "[" CONTAINER("c", ",'mounts':[{'volume':'c','target':'/data'}]") "]",
          "workloads[0].data.mounts[0].volume: must name a volume of this contract" },
        { "[" DATA "," CONTAINER("c", ",'mounts':[{'volume':'data','target':'/'}]") "]",
          "workloads[1].data.mounts[0].target: must have at least 2 bytes" },
        { "[" DATA "," CONTAINER("c", ",'mounts':[{'volume':'data','target':'/a/../etc'}]") "]",
          "workloads[1].data.mounts[0].target: must be a path without '.', '..', '//' and a slash at the end" },
        { "[" DATA "," CONTAINER("c", ",'mounts':[{'volume':'data','target':'/dev/shm'}]") "]",
          "workloads[1].data.mounts[0].target: must not be in /proc, /sys or /dev" },
        { "[" DATA
          "," CONTAINER("c", ",'mounts':[{'volume':'data','target':'/a'},{'volume':'data','target':'/a'}]") "]",
          "workloads[1].data.mounts[1].target: stands twice" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'lan','address':'10.20.1.5'}]") "]",
          "workloads[1].data.networks[0].network: must name a network of this contract" },
        { "[" DATA "," CONTAINER("c", ",'networks':[{'network':'data','address':'10.20.1.5'}]") "]",
          "workloads[1].data.networks[0].network: must name a network of this contract" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.2.5'}]") "]",
          "workloads[1].data.networks[0].address: must lie within the network's subnet" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.0'}]") "]",
          "workloads[1].data.networks[0].address: must not be the network's own or its broadcast address" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.255'}]") "]",
          "workloads[1].data.networks[0].address: must not be the network's own or its broadcast address" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.1'}]") "]",
          "workloads[1].data.networks[0].address: must not be the first address of the subnet, which is the node's" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.05'}]") "]",
          "workloads[1].data.networks[0].address: must be an IPv4 address" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.5'},{'network':'net',"
                                     "'address':'10.20.1.6'}]") "]",
          "workloads[1].data.networks[1].network: stands twice" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.5'}]") "," CONTAINER(
              "d", ",'networks':[{'network':'net','address':'10.20.1.5'}]") "]",
          "workloads[2].data.networks[0].address: is another container's already" },
        { "[" NET "," CONTAINER("c", ",'networks':[{'network':'net','address':'10.20.1.5'}]") "," CONTAINER(
              "d", ",'networks':[{'network':'net','address':'10.20.1.6'}]") "]",
          "" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_workloads(cases[i].text, cases[i].reason);
}

#define RANGE "'range':'10.20.0.0/16','subnet':'10.20.1.0/24'"

static void refuses_networks_that_are_amiss(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { NETWORK("'range':'10.20.0.0/16'"), "workloads[0].data.subnet: is missing" },
        { NETWORK("'range':'10.20.0.1/16','subnet':'10.20.1.0/24'"),
          "workloads[0].data.range: must be an IPv4 network as 10.20.0.0/16, host bits zero" },
        { NETWORK("'range':'10.20.0.0','subnet':'10.20.1.0/24'"),
          "workloads[0].data.range: must be an IPv4 network as 10.20.0.0/16, host bits zero" },
        { NETWORK("'range':'8.8.0.0/16','subnet':'8.8.8.0/24'"),
          "workloads[0].data: range must lie within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" },
        { NETWORK("'range':'172.0.0.0/8','subnet':'172.16.8.0/24'"),
          "workloads[0].data: range must lie within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" },
        { NETWORK("'range':'10.20.0.0/16','subnet':'10.21.1.0/24'"),
          "workloads[0].data: subnet must lie within the range" },
        { NETWORK("'range':'10.20.0.0/16','subnet':'10.0.0.0/8'"),
          "workloads[0].data: subnet must lie within the range" },
        { NETWORK("'range':'10.20.0.0/16','subnet':'10.20.1.0/31'"),
          "workloads[0].data: subnet must be a /30 or larger" },
        { NETWORK(RANGE ",'listen_port':1023"), "workloads[0].data.listen_port: must be 0 or 1024 to 65535" },
        { NETWORK(RANGE ",'listen_port':1024"), "" },
        { NETWORK(RANGE ",'listen_port':65536"), "workloads[0].data.listen_port: must be at most 65535" },
        { NETWORK(RANGE ",'access':true"), "workloads[0].data: listen_port must be given when access is true" },
        { NETWORK(RANGE ",'access':true,'listen_port':51820"), "" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':['10.20.2.0/24','10.20.3.7/32']}]"), "" },
        { NETWORK(RANGE ",'peers':[{'public_key':'AAAA','allowed':['10.20.2.0/24']}]"),
          "workloads[0].data.peers[0].public_key: must have exactly 32 bytes in base64" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':[]}]"),
          "workloads[0].data.peers[0].allowed: must have at least 1 items" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':['0.0.0.0/0']}]"),
          "workloads[0].data.peers[0]: allowed must lie within the range" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':['10.20.0.0/16']}]"),
          "workloads[0].data.peers[0]: allowed must not overlap the subnet of the node itself" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':['10.20.1.9/32']}]"),
          "workloads[0].data.peers[0]: allowed must not overlap the subnet of the node itself" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':['10.20.2.0/24']},{'public_key':" KEY_A
                        ",'allowed':['10.20.3.0/24']}]"),
          "workloads[0].data.peers[1]: public_key stands twice" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'allowed':['10.20.2.0/24']},{'public_key':" KEY_B
                        ",'allowed':['10.20.3.0/24']}]"),
          "" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'endpoint':'node.example:1','allowed':['10.20.2.0/24']}]"),
          "workloads[0].data.peers[0].endpoint: must be address:port or [IPv6 address]:port" },
        { NETWORK(RANGE ",'peers':[{'public_key':" KEY_A ",'endpoint':'[2001:db8::7]:51820',"
                        "'allowed':['10.20.2.0/24']}]"),
          "" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_workloads(cases[i].text, cases[i].reason);
}

static void tells_an_image_by_its_form(void **state)
{
    static const char *const good[] = {
        "r/a@" DIGEST,
        "127.0.0.1:5000/demo/web@" DIGEST,
        "[::1]:5000/demo@" DIGEST,
        "Registry.Example:443/a/b-c/d_e/f__g/h.i/j---k@" DIGEST,
    };
    static const char *const bad[] = {
        "",
        "a@" DIGEST,
        "/a@" DIGEST,
        "r/@" DIGEST,
        "r/a",
        "r/a:latest",
        "r/a:latest@" DIGEST,
        "r/a@sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "r/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "r/a@sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "r/a@" DIGEST "0",
        "r/a@" DIGEST "@" DIGEST,
        "r/A@" DIGEST,
        "r/a//b@" DIGEST,
        "r/a/@" DIGEST,
        "r/../b@" DIGEST,
        "r/.a@" DIGEST,
        "r/a.@" DIGEST,
        "r/a..b@" DIGEST,
        "r/a___b@" DIGEST,
        "r/a?b@" DIGEST,
        "r/a#@" DIGEST,
        "r:0/a@" DIGEST,
        "r:65536/a@" DIGEST,
        "r:/a@" DIGEST,
        "r:5000:1/a@" DIGEST,
        "user:pw@r/a@" DIGEST,
        "https://r/a@" DIGEST,
        "-r/a@" DIGEST,
        "r-/a@" DIGEST,
        "r e/a@" DIGEST,
        "[::1/a@" DIGEST,
        "[1.2.3.4]:1/a@" DIGEST,
        "[::1]x/a@" DIGEST,
        "\xc3\xa9/a@" DIGEST,
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(contract_is_image(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (contract_is_image(bad[i]))
            fail_msg("%s", bad[i]);
    }
    assert_workloads(IMAGE("r/a:latest"),
                     "workloads[0].data.image: must be host[:port]/path@sha256:<64 hexadecimal digits>");
}

static void tells_names_users_and_paths_by_their_form(void **state)
{
    static const char *const names[] = { "a", "0", "a-b", "a-", "abcdefghijabcdefghijabcdefghijab" };
    static const char *const bad_names[] = { "", "-a", "A", "a_b", "a.b", "abcdefghijabcdefghijabcdefghijabc" };
    static const char *const users[] = { "", "0", "1000:1000", "www-data", "a:b", "_x", "4294967294", "0:staff" };
    static const char *const bad_users[] = { ":",          "a:",  ":a",          "a:b:c",
                                             "4294967295", "01",  "99999999999", "-a",
                                             "a/b",        "a b", "1a",          "abcdefghijabcdefghijabcdefghijabc" };
    static const char *const paths[] = { "/a", "/a/b.c/..d", "/proc2", "/system", "/devices/x", "/.a", "/\xc3\xa9" };
    static const char *const bad_paths[] = { "a",       "",     "/",       "/a/",   "//a",     "/a//b",
                                             "/.",      "/..",  "/a/.",    "/a/..", "/a/../b", "/proc",
                                             "/proc/1", "/sys", "/sys/fs", "/dev",  "/dev/x",  "/a\nb" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(contract_is_workload_name(names[i]));
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        assert_false(contract_is_workload_name(bad_names[i]));
    for (size_t i = 0; i < sizeof users / sizeof *users; i++)
        assert_true(contract_is_user(users[i]));
    for (size_t i = 0; i < sizeof bad_users / sizeof *bad_users; i++)
        assert_false(contract_is_user(bad_users[i]));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_null(contract_path_problem(paths[i]));
    for (size_t i = 0; i < sizeof bad_paths / sizeof *bad_paths; i++)
        assert_non_null(contract_path_problem(bad_paths[i]));
}

static void reads_ipv4_networks_in_one_form_only(void **state)
{
    static const char *const good[] = { "0.0.0.0/0", "10.0.0.0/8", "10.20.1.0/24", "10.20.1.7/32", "192.168.0.0/30" };
    static const char *const bad[] = { "",
                                       "/",
                                       "10.0.0.0",
                                       "10.0.0.0/",
                                       "10.0.0.0/33",
                                       "10.0.0.0/08",
                                       "10.0.0.0/-1",
                                       "10.0.0.1/8",
                                       "10.0.0/8",
                                       "010.0.0.0/8",
                                       "10.0.0.0/8 ",
                                       " 10.0.0.0/8",
                                       "10.0.0.0/8/8",
                                       "::/0",
                                       "256.0.0.0/8",
                                       "10.0.0.00/8",
                                       "0x0a.0.0.0/8",
                                       "10/8" };
    static const char *const endpoints[] = { "1.2.3.4:1", "203.0.113.7:65535", "[::1]:51820", "[2001:db8::1]:1" };
    static const char *const bad_endpoints[] = {
        "",      ":",      "1.2.3.4", "1.2.3.4:", "1.2.3.4:0",   "1.2.3.4:65536", "1.2.3.4:01", "::1:1",
        "[::1]", "[::1]:", "[::1]:0", "[]:1",     "[1.2.3.4]:1", "host:1",        "[::1]:1:1",  "[fe80::1%eth0]:1"
    };
    struct contract_cidr cidr;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(contract_parse_cidr(good[i], &cidr));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (contract_parse_cidr(bad[i], &cidr))
            fail_msg("%s", bad[i]);
    }
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        assert_true(contract_is_endpoint(endpoints[i]));
    for (size_t i = 0; i < sizeof bad_endpoints / sizeof *bad_endpoints; i++) {
        if (contract_is_endpoint(bad_endpoints[i]))
            fail_msg("%s", bad_endpoints[i]);
    }
    assert_true(contract_parse_cidr("10.20.0.0/16", &cidr));
    assert_int_equal(cidr.address, 0x0a140000);
    assert_int_equal(cidr.prefix, 16);
}

static void adds_up_what_workloads_need(void **state)
{
    cleanup_json cJSON *workloads =
        parse("[" NET "," DATA "," WEB
              ",{'name':'big','type':'volume','data':{'size_bytes':2097152,'media':'hdd'}}," CONTAINER("c", "") "]");
    struct resources needs = contract_needs(workloads);

    assert_int_equal(contract_check_workloads(workloads, NULL), 0);
    assert_int_equal(needs.cru_milli, 501);
    assert_int_equal(needs.mru_bytes, 268435456 + 4194304);
    assert_int_equal(needs.sru_bytes, INT64_C(1073741824) + 1073741824 + 1048576);
    assert_int_equal(needs.hru_bytes, 2097152);
}

static void sums_do_not_overflow(void **state)
{
    cleanup_json cJSON *workloads =
        parse("[{'name':'a','type':'volume','data':{'size_bytes':9007199254740991,'media':'hdd'}},"
              "{'name':'b','type':'volume','data':{'size_bytes':9007199254740991,'media':'hdd'}}]");
    struct resources small = { 1, 2, 3, 4 }, sum, whole = { 5, 5, 5, 3 };
    struct reason reason;

    assert_int_equal(contract_check_workloads(workloads, NULL), 0);
    sum = contract_needs(workloads);
    assert_int_equal(sum.hru_bytes, JSON_INTEGER_MAX);
    sum = resources_subtract(small, sum);
    assert_int_equal(sum.hru_bytes, 0);
    assert_int_equal(sum.cru_milli, 1);
    assert_false(resources_fit(small, whole, &reason));
    assert_string_equal(reason.text, "hru_bytes: 4 is more than 3");
    assert_true(resources_fit(small, resources_add(whole, small), &reason));
}

static void resources_pass_through_json(void **state)
{
    cleanup_json cJSON *object = resources_to_json((struct resources){ 1, 2, 3, JSON_INTEGER_MAX });
    struct resources again = resources_from_json(object);

    assert_int_equal(json_check(object, RESOURCES_RULES, "", NULL), 0);
    assert_int_equal(again.cru_milli, 1);
    assert_int_equal(again.hru_bytes, JSON_INTEGER_MAX);
    cleanup_free char *text = json_print(object);
    assert_string_equal(text, "{\"cru_milli\":1,\"mru_bytes\":2,\"sru_bytes\":3,\"hru_bytes\":9007199254740991}");
}

/* ---- The private form */

struct party {
    struct key *key;
    uint8_t public[32], secret[32];
};

static struct party NODE, BOT, STRANGER;
static const uint8_t NONCE[CONTRACT_NONCE_BYTES] = "sixteen bytes...";

/* The node reads with its sealing key, the bot with its own as X25519. */
static int make_parties(void **state)
{
    if (key_generate(&NODE.key) < 0 || key_generate(&BOT.key) < 0 || key_generate(&STRANGER.key) < 0)
        return -1;
    key_derive_x25519(NODE.key, "zos-seal", NODE.public, NODE.secret);
    key_as_x25519(BOT.key, BOT.public, BOT.secret);
    key_as_x25519(STRANGER.key, STRANGER.public, STRANGER.secret);
    return 0;
}

static int free_parties(void **state)
{
    key_free(NODE.key);
    key_free(BOT.key);
    key_free(STRANGER.key);
    return 0;
}

static cJSON *seal(const char *text)
{
    cleanup_json cJSON *workloads = parse(text);
    const struct contract_reader readers[] = {
        { .id = key_id(NODE.key), .public = NODE.public },
        { .id = key_id(BOT.key), .public = BOT.public },
    };
    cJSON *sealed = contract_seal(workloads, NONCE, sizeof NONCE, readers, 2);

    assert_non_null(sealed);
    assert_int_equal(json_check(sealed, CONTRACT_PRIVATE_RULES, "private", NULL), 0);
    return sealed;
}

static int unseal(const cJSON *sealed, const struct party *party, const void *nonce, cJSON **ret_workloads,
                  struct reason *reason)
{
    return contract_unseal(sealed, key_id(party->key), party->public, party->secret, nonce, CONTRACT_NONCE_BYTES,
                           ret_workloads, reason);
}

static void node_and_bot_read_what_was_sealed(void **state)
{
    cleanup_json cJSON *sealed = seal("[" DATA "]");
    const struct party *readers[] = { &NODE, &BOT };

    for (size_t i = 0; i < 2; i++) {
        cleanup_json cJSON *workloads = NULL;
        struct reason reason;
        assert_int_equal(unseal(sealed, readers[i], NONCE, &workloads, &reason), 0);
        cleanup_free char *text = json_print(workloads);
        assert_string_equal(text, "[{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":1073741824,"
                                  "\"media\":\"ssd\"}}]");
    }
}

static void nobody_else_reads_it(void **state)
{
    cleanup_json cJSON *sealed = seal("[" DATA "]");
    cJSON *workloads = NULL;
    struct party liar = STRANGER;
    struct reason reason;
    char wanted[128];

    snprintf(wanted, sizeof wanted, "private.keys: hold no box for %s", key_id(STRANGER.key));
    assert_int_equal(unseal(sealed, &STRANGER, NONCE, &workloads, &reason), REFUSED);
    assert_string_equal(reason.text, wanted);
    liar.key = NODE.key; /* the node's box, not its secret */
    snprintf(wanted, sizeof wanted, "private.keys: the box for %s isn't sealed to its key", key_id(NODE.key));
    assert_int_equal(unseal(sealed, &liar, NONCE, &workloads, &reason), REFUSED);
    assert_string_equal(reason.text, wanted);
    assert_null(workloads);
}

static void it_belongs_to_one_contract(void **state)
{
    cleanup_json cJSON *sealed = seal("[" DATA "]");
    cJSON *workloads = NULL;
    struct reason reason;

    assert_int_equal(unseal(sealed, &NODE, "another nonce...", &workloads, &reason), REFUSED);
    assert_string_equal(reason.text, "private.ciphertext: was altered, or belongs to another contract");
    assert_null(workloads);
}

/* Flips each bit of what a base64 member holds. */
static void try_flipped(cJSON *sealed, cJSON *object, const char *name)
{
    size_t size;
    cleanup_free uint8_t *bytes = decode_base64(json_string(object, name), &size);

    for (size_t bit = 0; bit < 8 * size; bit++) {
        cJSON *workloads = NULL;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cleanup_free char *text = encode_base64(bytes, size);
        cJSON_ReplaceItemInObjectCaseSensitive(object, name, cJSON_CreateString(text));
        assert_int_equal(unseal(sealed, &NODE, NONCE, &workloads, NULL), REFUSED);
        assert_null(workloads);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cleanup_free char *text = encode_base64(bytes, size);
    cJSON_ReplaceItemInObjectCaseSensitive(object, name, cJSON_CreateString(text));
}

static void every_flipped_bit_is_seen(void **state)
{
    cleanup_json cJSON *sealed = seal("[" DATA "]");
    cleanup_json cJSON *workloads = NULL;

    try_flipped(sealed, sealed, "nonce");
    try_flipped(sealed, sealed, "ciphertext");
    try_flipped(sealed, (cJSON *)json_member(sealed, "keys"), key_id(NODE.key));
    assert_int_equal(unseal(sealed, &NODE, NONCE, &workloads, NULL), 0);
}

/* What was sealed by a hostile bot is held to the same strictness as what comes in the open. */
static void what_is_inside_must_be_strict_json(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"workloads\":{}}",
        "{\"workloads\":[1]}",
        "{\"workloads\":[],\"x\":1}",
        "{\"workloads\":[],\"workloads\":[]}",
        "{\"workloads\":[]}x",
        "{\"workloads\":[\"\xff\"]}",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cleanup_json cJSON *sealed = seal("[]");
        uint8_t secret[32], box[80], nonce[24] = { 0 }, ciphertext[256];
        unsigned long long size;
        cJSON *workloads = NULL;
        randombytes_buf(secret, sizeof secret);
        crypto_box_seal(box, secret, sizeof secret, NODE.public);
        crypto_aead_xchacha20poly1305_ietf_encrypt(ciphertext, &size, (const uint8_t *)bad[i], strlen(bad[i]), NONCE,
                                                   sizeof NONCE, NULL, nonce, secret);
        cleanup_free char *nonce_text = encode_base64(nonce, sizeof nonce);
        cleanup_free char *ciphertext_text = encode_base64(ciphertext, (size_t)size);
        cleanup_free char *box_text = encode_base64(box, sizeof box);
        cJSON_ReplaceItemInObject(sealed, "nonce", cJSON_CreateString(nonce_text));
        cJSON_ReplaceItemInObject(sealed, "ciphertext", cJSON_CreateString(ciphertext_text));
        cJSON_ReplaceItemInObjectCaseSensitive((cJSON *)json_member(sealed, "keys"), key_id(NODE.key),
                                               cJSON_CreateString(box_text));
        assert_int_equal(unseal(sealed, &NODE, NONCE, &workloads, NULL), REFUSED);
        assert_null(workloads);
    }
}

static int allocations_left;

static void *allocate_while_allowed(size_t size)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void sealing_gives_nothing_when_memory_is_out(void **state)
{
    const struct contract_reader reader = { .id = key_id(NODE.key), .public = NODE.public };
    cJSON_Hooks hooks = { .malloc_fn = allocate_while_allowed, .free_fn = free };
    cleanup_json cJSON *workloads = parse("[" DATA "]");
    cJSON *sealed = NULL;

    cJSON_InitHooks(&hooks);
    for (int allowed = 0; !sealed && allowed < 200; allowed++) {
        allocations_left = allowed;
        sealed = contract_seal(workloads, NONCE, sizeof NONCE, &reader, 1);
    }
    cJSON_InitHooks(NULL);
    assert_int_equal(json_check(sealed, CONTRACT_PRIVATE_RULES, "private", NULL), 0);
    cJSON_Delete(sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_example),
        cmocka_unit_test(takes_what_leaves_out_all_that_is_optional),
        cmocka_unit_test(refuses_lists_of_workloads_that_are_amiss),
        cmocka_unit_test(refuses_volumes_that_are_amiss),
        cmocka_unit_test(refuses_containers_that_are_amiss),
        cmocka_unit_test(refuses_networks_that_are_amiss),
        cmocka_unit_test(tells_an_image_by_its_form),
        cmocka_unit_test(tells_names_users_and_paths_by_their_form),
        cmocka_unit_test(reads_ipv4_networks_in_one_form_only),
        cmocka_unit_test(adds_up_what_workloads_need),
        cmocka_unit_test(sums_do_not_overflow),
        cmocka_unit_test(resources_pass_through_json),
        cmocka_unit_test(node_and_bot_read_what_was_sealed),
        cmocka_unit_test(nobody_else_reads_it),
        cmocka_unit_test(it_belongs_to_one_contract),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(what_is_inside_must_be_strict_json),
        cmocka_unit_test(sealing_gives_nothing_when_memory_is_out),
    };

    return cmocka_run_group_tests(tests, make_parties, free_parties);
}
