/* Hive's way to write partitions into the names of folders. */
#ifndef NK_HIVE_H
#define NK_HIVE_H

#include "base/buf.h"

#define NK_HIVE_NULL NK_STR("__HIVE_DEFAULT_PARTITION__") /* a null, and an empty text */

/* A key or a value as Hive and Spark write it: what a path or a shell would mind as %XX. */
nk_code nk_hive_escape(nk_buf *b, nk_str s);

#endif
