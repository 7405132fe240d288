/* Lines that match a pattern: custom grok classifiers, and the built-in ones for logs. */
#include <pthread.h>

#include "crawl/formats.h"

#define LINES_MAX   2000 /* looked at */
#define FIRST_LINES 10   /* none of which matching settles it */
#define LEAST_SHARE 0.8  /* of the lines, for a file to be taken for it */

#define BUILT_IN NK_COUNTOF(nk_crawl_format_logs)
static nk_grok *compiled[BUILT_IN];
static pthread_once_t compile_once = PTHREAD_ONCE_INIT;

static void compile_all(void)
{
    for (size_t i = 0; i < BUILT_IN; i++) {
        if (nk_grok_compile(nk_str_c(nk_crawl_format_logs[i].pattern), NK_STR(""), &compiled[i],
                            NULL) != NK_OK)
            compiled[i] = NULL;
    }
}

static nk_code lines(const nk_grok *g, const nk_sample *s, nk_arena *a, nk_finding *out)
{
    nk_str rest = s->head, line;
    uint64_t n = 0, hits = 0, bytes = 0;
    while (n < LINES_MAX && nk_str_split(&rest, '\n', &line)) {
        bool last = !rest.p || !rest.n;
        if (last && !s->whole && n) /* cut */
            break;
        if (!nk_str_trim(line).n)
            continue;
        n++;
        if (line.n > (64 << 10) || !nk_grok_match(g, line)) {
            if (n >= FIRST_LINES && !hits)
                break;
            continue;
        }
        hits++;
        bytes += line.n + 1;
    }
    double share = n ? (double)hits / (double)n : 0;
    if (share < LEAST_SHARE) {
        out->why = nk_str_printf(a, "%llu of %llu lines match its pattern",
                                 (unsigned long long)hits, (unsigned long long)n);
        return NK_OK;
    }
    out->certainty = share;
    out->record_bytes = bytes;
    out->records = hits;
    out->exact = s->whole && n < LINES_MAX;
    if (!out->exact && bytes && n >= LINES_MAX) { /* the rest of the sample is alike */
        out->records = (uint64_t)((double)hits * (double)s->head.n / (double)bytes);
        out->record_bytes = s->head.n;
        out->exact = s->whole;
    }
    return NK_OK;
}

static nk_code classify(const nk_crawl_format *f, const nk_custom *c, const nk_sample *s,
                        nk_arena *a, nk_finding *out, nk_err *err)
{
    const nk_grok *g = c ? c->grok : NULL;
    if (!c) {
        pthread_once(&compile_once, compile_all);
        g = compiled[f - nk_crawl_format_logs];
    }
    if (!g)
        return nk_fail(err, NK_E_NOMEM, "Out of memory compiling the built-in patterns");
    NK_TRY(lines(g, s, a, out));
    if (out->certainty <= 0) {
        if (!c && nk_str_starts(out->why, NK_STR("0 ")))
            out->why = NK_STR_NULL; /* of eight kinds of logs that it is not */
        return NK_OK;
    }
    out->type = nk_grok_type(g);
    out->path = c ? c->pattern : nk_str_c(f->pattern);
    out->patterns = c ? c->patterns : NK_STR_NULL;
    out->why = NK_STR("lines that match the pattern");
    return NK_OK;
}

static bool same(const nk_finding *a, const nk_finding *b)
{
    return nk_str_eq(a->path, b->path);
}

static void properties(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kstr(w, "grokPattern", f->sample->path);
}

static void serde_parameters(nk_json_writer *w, const nk_facts *f)
{
    nk_jw_kstr(w, "input.format", f->sample->path);
    if (f->sample->patterns.n)
        nk_jw_kstr(w, "input.grokCustomPatterns", f->sample->patterns);
}

#define GROK(name, regex, what)                                                                    \
    {                                                                                              \
        .classification = name, .pattern = regex, .doc = what, .input = NK_TEXT_INPUT,             \
        .output = NK_TEXT_OUTPUT, .serde = "com.amazonaws.glue.serde.GrokSerDe",                   \
        .classify = classify, .same = same, .properties = properties,                              \
        .serde_parameters = serde_parameters                                                       \
    }

const nk_crawl_format nk_crawl_format_grok =
    GROK("grok", NULL, "lines that match a custom classifier's pattern");

const nk_crawl_format nk_crawl_format_logs[8] = {
    GROK("combined_apache", "%{COMMONAPACHELOG} %{QUOTEDSTRING:referrer} %{QUOTEDSTRING:agent}",
         "Apache's combined log"),
    GROK("apache", "%{COMMONAPACHELOG}", "Apache's common log"),
    GROK("linux_kernel",
         "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} "
         "kernel: \\[\\s*%{NUMBER:uptime:double}\\] %{GREEDYDATA:message}",
         "the kernel's lines of a Linux syslog"),
    GROK(
        "microsoft_log",
        "%{IPORHOST:clientip}, %{USER:username}, %{DATE_US:date}, %{TIME:time}, "
        "%{NOTSPACE:service}, %{NOTSPACE:servername}, %{IPORHOST:serverip}, %{INT:timetaken:long}, "
        "%{INT:bytessent:long}, %{INT:bytesreceived:long}, %{INT:status:int}, "
        "%{INT:windowsstatus:int}, %{WORD:requesttype}, %{NOTSPACE:target}, %{DATA:parameters},?",
        "Microsoft's IIS log format"),
    GROK("ruby_logger",
         "%{WORD:level}, \\[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:pid:int}\\] "
         "+%{LOGLEVEL:loglevel} "
         "-- +%{DATA:progname}: %{GREEDYDATA:message}",
         "the lines of Ruby's Logger"),
    GROK("squid",
         "%{NUMBER:timestamp:double} +%{INT:duration:long} %{IPORHOST:clientip} "
         "%{WORD:cacheresult}/%{NONNEGINT:status:int} %{NONNEGINT:bytes:long} %{WORD:method} "
         "%{NOTSPACE:url} %{NOTSPACE:user} %{WORD:hierarchy}/%{NOTSPACE:peer} "
         "%{NOTSPACE:contenttype}",
         "Squid 3's native access log"),
    GROK("redismonlog",
         "%{NUMBER:timestamp:double} \\[%{INT:database:int} %{NOTSPACE:client}\\] "
         "\"%{WORD:command}\" ?%{GREEDYDATA:params}",
         "what Redis MONITOR shows"),
    GROK("redislog",
         "\\[?%{POSINT:pid:int}(?:\\]|:[A-Z])? %{MONTHDAY:day} %{MONTH:month} (?:%{YEAR:year} )?"
         "%{TIME:time} [*#.-] %{GREEDYDATA:message}",
         "Redis server logs"),
};
