#pragma once

/* From what a contract wants and what is there to the next thing to do: pure. A contract is realized in the order
 * network, volume, container and taken down in the reverse; a reboot, a crash or a lost volume is the same case as the
 * first start.
 *
 * Names: a contract's things are named after it, so that what is there tells whose it is without any other record.
 *   volume        <contract id>.<workload>, and <contract id>.<container>.root for a container's root
 *   service       c-<first 20 digits of the contract id>-<container>
 *   endpoint, network   <first 20 digits>-<workload> */

#include "lib/json.h"

#include <stdbool.h>

#define PLAN_NAME_BYTES 160
#define PLAN_PREFIX_DIGITS 20
#define PLAN_ID_BYTES 65 /* 64 digits and a NUL */

/* What is wanted of one contract. */
struct plan_wanted {
    const char *id;
    const cJSON *workloads; /* checked; NULL when it ends */
    bool ending;            /* nothing of it is wanted */
};

/* What is there, of all contracts. */
struct plan_observed {
    const cJSON *volumes;  /* storaged's volume.list: [{name,…}] */
    const cJSON *networks; /* netd's network.list: [{name,…}] or [name,…] */
    const cJSON *services; /* zinit's service_list: {name: state} */
    const cJSON *images;   /* [digest]: those unpacked whole */
    const cJSON *bundles;  /* [service]: those whose bundle is complete */
};

enum plan_kind {
    PLAN_NETWORK_APPLY,   /* name, workload */
    PLAN_VOLUME_CREATE,   /* name, size_bytes, media, workload */
    PLAN_IMAGE_PULL,      /* workload */
    PLAN_CONTAINER_START, /* name (service), workload */
    PLAN_WATCH,           /* all is there: see whether the containers run */
    PLAN_CONTAINER_STOP,  /* name (service) */
    PLAN_NETWORK_REMOVE,  /* name */
    PLAN_VOLUME_DELETE,   /* name */
    PLAN_DONE,            /* the contract ends, and nothing of it is left; or all is tidy */
    PLAN_IMAGE_DROP,      /* name (in images/): nobody wants it */
};

struct plan_action {
    enum plan_kind kind;
    char name[PLAN_NAME_BYTES];
    const cJSON *workload; /* the contract's */
    int64_t size_bytes;
    const char *media; /* "ssd", "hdd" */
};

/* The next action of the contract. */
void plan_next(const struct plan_wanted *wanted, const struct plan_observed *observed, struct plan_action *ret_action);

/* What is there that may be nobody's, and who may want it. */
struct plan_tidied {
    const cJSON *entries; /* [name]: what images/ holds, whole or half */
    const cJSON *used;    /* [digest]: images that a contract names which isn't over, or that lie below a container */
    const cJSON *volumes; /* storaged's volume.list */
    const cJSON *over;    /* [contract id]: those of the volumes' contracts that this node knows to be over */
};

/* The next action of tidying up: PLAN_IMAGE_DROP, PLAN_VOLUME_DELETE or PLAN_DONE. A volume goes only when its contract
 * is known to be over: a disk that was away may bring such ones; of a contract that isn't known nothing is touched. */
void plan_tidy(const struct plan_tidied *tidied, struct plan_action *ret_action);

/* The contract's id in a volume's name; false when it isn't named as ours are. */
bool plan_volume_contract(const char *name, char ret_id[static PLAN_ID_BYTES]);
void plan_volume_name(const char *contract, const char *workload, char ret_name[static PLAN_NAME_BYTES]);
void plan_root_name(const char *contract, const char *container, char ret_name[static PLAN_NAME_BYTES]);
void plan_service_name(const char *contract, const char *container, char ret_name[static PLAN_NAME_BYTES]);
/* Endpoints and networks. */
void plan_net_name(const char *contract, const char *workload, char ret_name[static PLAN_NAME_BYTES]);
/* The digest ("sha256:…") in an image's name: what stands behind the '@'; NULL when there is none. */
const char *plan_image_digest(const char *image);
