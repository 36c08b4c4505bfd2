#pragma once

/* Which Zero-OS this is, as nodes tell it. */
#define ZOS_VERSION "0.1"
