/* Text formats from the beginning of a file: CSV and its dialect, JSON and its layout. */
#ifndef NK_SNIFF_H
#define NK_SNIFF_H

#include "schema/infer.h"

typedef struct nk_sniffed {
    double certainty;       /* 0: it is not; 1: settled */
    nk_csv_dialect dialect; /* CSV */
    nk_json_layout layout;  /* JSON */
    const nk_type *type;    /* a struct, by the crawler's rule; CSV columns are col0, col1 … */
    uint64_t records;       /* data records in the sample */
    uint64_t record_bytes;  /* bytes they take */
    bool more;              /* no record ends in the sample: more of the file may tell */
    nk_str why;             /* for a human: what spoke for or against */
} nk_sniffed;

/* What a CSV file is known to be beforehand; zeroed: find out. */
typedef struct nk_csv_want {
    char delimiter, quote; /* 0 = find out */
    enum { NK_HEADER_UNKNOWN, NK_HEADER_PRESENT, NK_HEADER_ABSENT } header;
    nk_strs names;             /* of the columns; empty = find out */
    const nk_type_kind *types; /* of the first columns */
    size_t ntypes;
    bool no_trim;       /* blanks around a value make it text */
    bool single_column; /* one column will do */
} nk_csv_want;

/* sample: the unpacked beginning of a file, whole: all of it. Not being CSV is no error (certainty
 * 0, why says more). CSV needs two columns and two data records; its header is taken as one only
 * when every cell of it is text and some data cell is not. want may be NULL. Result in the arena.
 */
nk_code nk_sniff_csv(nk_str sample, bool whole, const nk_csv_want *want, nk_arena *a,
                     nk_sniffed *out, nk_err *err) NK_MUST;
/* Likewise: every document must be an object. */
nk_code nk_sniff_json(nk_str sample, bool whole, nk_arena *a, nk_sniffed *out, nk_err *err) NK_MUST;

/* Delimiter, quoting and header alone. false when it is not CSV; *why then says so. */
bool nk_csv_sniff(nk_str sample, bool whole, const nk_csv_want *want, nk_arena *a,
                  nk_csv_dialect *out, nk_str *why);

#endif
