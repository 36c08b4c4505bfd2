/* Deployment files, YAML and JSON. What is taken seals to workloads that the contract's own rules accept; what isn't is
 * refused with a reason. */

#include "contrib/3bot/deployment.h"

#include "lib/cleanup.h"
#include "lib/contract.h"

#include <sodium.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int find_key(void *context, const char *node, uint8_t ret_key[static 32], struct reason *reason)
{
    return crypto_generichash(ret_key, 32, (const uint8_t *)node, strlen(node), NULL, 0);
}

static void try_deployment(const struct yaml_file *file)
{
    static const uint8_t key[32] = { 9 }; /* RFC 7748, §4.1: the base point, a key as good as any */
    struct deployment deployment;
    struct reason reason = { 0 };
    cleanup_json cJSON *workloads = NULL;

    if (deployment_read(file, &deployment, &reason) != 0) {
        if (!reason.text[0])
            abort();
        return;
    }
    if (deployment_name_peers(&deployment, find_key, NULL, &reason) != 0 ||
        deployment_workloads(&deployment, key, &workloads, &reason) != 0 ||
        contract_check_workloads(workloads, &reason) != 0)
        abort();
    deployment_close(&deployment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_file file;
    struct reason reason = { 0 };

    if (yaml_file_read("f", (const char *)data, size, &file, &reason) != 0) {
        if (!reason.text[0])
            abort();
        return 0;
    }
    try_deployment(&file);
    yaml_file_close(&file);
    return 0;
}
