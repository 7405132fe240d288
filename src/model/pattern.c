#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/pattern_int.h"

#include <pcre2.h>
#include <pthread.h>

#include "base/scan.h"

static bool wide_has(const struct nk_pattern *p, uint32_t cp)
{
    for (size_t i = 0; i < p->n_wide; i++) {
        if (cp >= p->wide[i].lo && cp <= p->wide[i].hi)
            return true;
    }
    return false;
}

static bool plain_match(const struct nk_pattern *p, nk_str s)
{
    if ((p->least && s.n < p->least) || (p->most && nk_utf8_len(s) > p->most))
        return false;
    const char *c = s.p, *end = s.p + s.n;
    while (c < end) {
        if (p->printable) {
            c = nk_scan_plain(c, end);
            if (c == end)
                return true;
        }
        unsigned char b = (unsigned char)*c;
        if (b < 0x80) {
            if (!(p->ascii[b >> 6] >> (b & 63) & 1))
                return false;
            c++;
            continue;
        }
        uint32_t cp;
        size_t n = nk_utf8_get(c, (size_t)(end - c), &cp);
        if (!n || !wide_has(p, cp))
            return false;
        c += n;
    }
    return true;
}

/* One match block a thread, freed when the thread ends. */
static pthread_key_t block_key;
static pthread_once_t block_once = PTHREAD_ONCE_INIT;
static pcre2_match_context *limits;

static void free_block(void *block)
{
    pcre2_match_data_free(block);
}

static void once(void)
{
    pthread_key_create(&block_key, free_block);
    limits = pcre2_match_context_create(NULL);
    if (limits) {
        pcre2_set_match_limit(limits, 200000);
        pcre2_set_depth_limit(limits, 5000);
        pcre2_set_heap_limit(limits, 8192); /* KiB */
    }
}

static pcre2_code *compiled(struct nk_pattern *p)
{
    pcre2_code *code = __atomic_load_n(&p->code, __ATOMIC_ACQUIRE);
    if (code)
        return code;
    int error;
    PCRE2_SIZE at;
    pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
    if (!cc)
        return NULL;
    pcre2_set_newline(cc, PCRE2_NEWLINE_ANYCRLF);
    /* Java's matches(): the whole text, whatever the anchors inside say. */
    code = pcre2_compile((PCRE2_SPTR)p->pcre, PCRE2_ZERO_TERMINATED,
                         PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                             PCRE2_DOLLAR_ENDONLY,
                         &error, &at, cc);
    pcre2_compile_context_free(cc);
    if (!code)
        return NULL;
    void *none = NULL;
    if (__atomic_compare_exchange_n(&p->code, &none, code, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return code;
    pcre2_code_free(code);
    return none;
}

nk_code nk_pattern_match(struct nk_pattern *p, nk_str s, bool *matches)
{
    if (p->plain) {
        *matches = plain_match(p, s);
        return NK_OK;
    }
    pthread_once(&block_once, once);
    pcre2_match_data *block = pthread_getspecific(block_key);
    if (!block) {
        block = pcre2_match_data_create(1, NULL);
        if (!block || pthread_setspecific(block_key, block) != 0) {
            pcre2_match_data_free(block);
            return NK_E_NOMEM;
        }
    }
    pcre2_code *code = compiled(p);
    if (!code)
        return NK_E_INTERNAL;
    int rc =
        pcre2_match(code, (PCRE2_SPTR)(s.p ? s.p : ""), s.n, 0, PCRE2_NO_UTF_CHECK, block, limits);
    *matches = rc >= 0;
    /* A text that is too costly to match is taken as one that does not. */
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH && rc != PCRE2_ERROR_MATCHLIMIT &&
        rc != PCRE2_ERROR_DEPTHLIMIT && rc != PCRE2_ERROR_HEAPLIMIT)
        return rc == PCRE2_ERROR_NOMEMORY ? NK_E_NOMEM : NK_E_INTERNAL;
    return NK_OK;
}
