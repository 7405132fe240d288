/* Compatibility modes, decided once over every format's list of differences. */
#ifndef NK_REGISTRY_COMPAT_H
#define NK_REGISTRY_COMPAT_H

#include "registry/format.h"

typedef struct nk_compat_mode {
    nk_str
        name[NK_DOOR_COUNT]; /* "BACKWARD_ALL", "BACKWARD_TRANSITIVE"; p NULL: not at that door */
    bool backward;           /* the new version reads what older ones wrote */
    bool forward;            /* older versions read what the new one writes */
    bool all;                /* against every version, not one */
    bool closed;             /* takes no further version at all */
    const char *doc;
} nk_compat_mode;

/* The rows' order is what is stored: never reorder. */
extern const nk_compat_mode nk_compat_modes[];
extern const size_t nk_compat_modes_count;
#define NK_COMPAT_NONE     0
#define NK_COMPAT_BACKWARD 2
/* Row of a door's name; -1 when unknown. */
int nk_compat_mode_find(nk_door door, nk_str name);

/* A version the new one must agree with. */
typedef struct nk_compat_base {
    int64_t version;
    const nk_schema_doc *doc;
} nk_compat_base;

/* What stands against a new version. */
typedef struct nk_conflict {
    int64_t version; /* with this one */
    bool forward;    /* it fails to read what the new one writes; else the other way round */
    nk_schema_diff diff;
} nk_conflict;
NK_LIST(nk_conflicts, nk_conflict);

/* Adds a conflict for each difference that breaks by the door's rules; none: compatible. */
nk_code nk_compat_check(const nk_schema_format *format, const nk_compat_mode *mode, nk_door door,
                        const nk_schema_doc *schema, const nk_compat_base *bases, size_t n,
                        nk_arena *a, nk_conflicts *out, nk_err *err) NK_MUST;
/* One line: rule, both places, reason, sample. In the arena. */
nk_str nk_conflict_text(const nk_conflict *c, nk_arena *a);

/* The format of a name in either door's spelling; NULL when unknown. */
const nk_schema_format *nk_schema_format_find(nk_str name);
/* Position in the list of formats, as stored; and back. */
int nk_schema_format_number(const nk_schema_format *f);
const nk_schema_format *nk_schema_format_at(int64_t number);

#endif
