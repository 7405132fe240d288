/* Values as people and programs read them: text for tables and CSV, JSON. */
#ifndef NK_SHOW_H
#define NK_SHOW_H

#include "engine/vec.h"

/* A value that is not null. Numbers in full, doubles shortest that reads back, timestamps
 * "2024-05-06 07:08:09.25" (UTC), bytes as \xHEX, nested values as JSON. */
void nk_show_text(const nk_vec *v, size_t i, nk_buf *out);
/* Any value. What JSON has no number for (NaN, infinities) is a string; bytes are base64; a map is
 * an object with its keys as text. */
void nk_show_json(const nk_vec *v, size_t i, nk_buf *out);

#endif
