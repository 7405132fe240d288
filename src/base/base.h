/* base: what every room stands on. Depends on nothing of ours. */
#ifndef NK_BASE_H
#define NK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/json.h"
#include "base/log.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/file.h"
#include "base/map.h"

#define NK_COUNTOF(a) (sizeof(a) / sizeof((a)[0]))

#endif
