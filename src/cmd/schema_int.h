/* Inside `nikawa schema`: two definitions side by side. */
#ifndef NK_CMD_SCHEMA_INT_H
#define NK_CMD_SCHEMA_INT_H

#include "registry/compat.h"

/* One line a value, two blanks a level, for JSON; other text as it is. In the arena. */
nk_str nk_schema_pretty(nk_str text, nk_arena *a);
/* Prints the lines that differ with three around them: - red, + green. Nothing when none do. */
void nk_schema_print_lines(nk_str old_text, nk_str new_text, bool colour, nk_arena *a);
/* Prints differences, those that break first; direction "backward" or "forward". Returns how many
 * break by the door's rules. */
size_t nk_schema_print_diffs(const nk_schema_diffs *diffs, const char *direction, nk_door door,
                             bool all, bool colour);

#endif
