#pragma once

/* Does one action of a plan: by a call of the daemon whose it is, or by image.c and bundle.c. Each can be done twice.
 */

#include "provisiond/deploy.h"

#define APPLY_IMAGE_MARK "rootfs"       /* a folder of images/ that holds it is an image unpacked whole */
#define APPLY_BUNDLE_MARK "config.json" /* the same for a bundle */

/* 0, or REFUSED with what went wrong. Blocks for as long as the action takes; looks at deploy_cancelled. */
int apply_action(struct deploy *deploy, const struct plan_action *action, struct reason *reason);
