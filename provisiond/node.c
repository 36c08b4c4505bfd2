/* Small things about the whole. */

#include "provisiond/node.h"

#include "lib/log.h"

#include <string.h>
#include <time.h>

#define BACKOFF_DOUBLINGS_MAX 16

uint64_t retry_failed(struct retry *retry, const char *what, const struct reason *reason, uint64_t base_ms,
                      uint64_t cap_ms)
{
    uint64_t pause = base_ms << (retry->failures < BACKOFF_DOUBLINGS_MAX ? retry->failures : BACKOFF_DOUBLINGS_MAX);

    if (strcmp(retry->reason.text, reason->text) != 0)
        log_warning("%s: %s", what, reason->text);
    retry->what = what;
    retry->reason = *reason;
    retry->failures++;
    return pause < cap_ms ? pause : cap_ms;
}

void retry_done(struct retry *retry)
{
    *retry = (struct retry){ 0 };
}

int64_t node_now(const struct node *node)
{
    return (int64_t)time(NULL);
}

void node_contact(struct node *node, const char *step, const struct reason *reason)
{
    node->reachable = reason == NULL;
    node->contact = (struct retry){ 0 };
    if (!reason)
        return;
    node->contact.what = step ? step : "directory";
    node->contact.reason = *reason;
}
