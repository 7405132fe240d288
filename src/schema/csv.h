/* CSV: a streaming record reader that survives what files hold, and the sniffing of a file's
 * dialect. */
#ifndef NK_CSV_H
#define NK_CSV_H

#include "base/base.h"

typedef struct nk_csv_dialect {
    char delimiter; /* ',' '|' '\t' ';' 0x01 or any other ASCII byte */
    char quote;     /* '"'; 0 = quotes are ordinary characters */
    char escape;    /* '\\', or 0: a quote inside quotes is doubled */
    bool header;    /* the first record names the columns */
    bool quoted;    /* some cell stood in quotes */
    size_t columns; /* in most records */
    nk_strs
        names; /* the header's cells (valid UTF-8, no control characters); empty without header */
    nk_strs first; /* the first record likewise, header or not */
} nk_csv_dialect;
#define NK_CSV_DEFAULT                                                                             \
    {                                                                                              \
        .delimiter = ',', .quote = '"'                                                             \
    }

typedef struct nk_csv_record {
    const nk_str *cells; /* borrowed until the callback returns; quotes and escapes undone */
    const bool *quoted;  /* per cell: an empty quoted cell is an empty text, not a null */
    size_t n;
    uint64_t number;         /* from 1, the header included; empty lines do not count */
    uint64_t line;           /* where it starts, from 1 */
    uint64_t offset, length; /* in bytes of the (decompressed) stream, line end excluded */
} nk_csv_record;
/* NK_E_END ends the reading early without being an error of the file. */
typedef nk_code (*nk_csv_fn)(void *arg, const nk_csv_record *rec, nk_err *err);

/* Lines end with LF, CRLF or CR; a UTF-8 byte order mark is skipped; NUL bytes and bad UTF-8 are
 * content; text after a closing quote is kept; a quote inside an unquoted cell is a character. */
typedef struct nk_csv_reader nk_csv_reader;
/* max_record: bytes one record may take (0 = 16 MiB). NULL when memory is gone. */
nk_csv_reader *nk_csv_open(const nk_csv_dialect *d, size_t max_record, nk_csv_fn fn, void *arg);
/* What fn returned, or NK_E_PARSE when a record is too long (a quote that is never closed). */
nk_code nk_csv_feed(nk_csv_reader *r, nk_str bytes, nk_err *err) NK_MUST;
/* The last record, even without a line end. NK_E_PARSE when a quote is still open. */
nk_code nk_csv_finish(nk_csv_reader *r, nk_err *err) NK_MUST;
void nk_csv_close(nk_csv_reader *r);

#endif
