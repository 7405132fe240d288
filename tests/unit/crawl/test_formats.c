#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "crawl/formats.h"

static nk_arena *arena;

#define S(lit)                                                                                     \
    {                                                                                              \
        lit, sizeof(lit) - 1                                                                       \
    }

static const char *print(const nk_type *t)
{
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    assert_int_equal(nk_type_print(t, false, &b), NK_OK);
    const char *s = nk_buf_dup(&b, arena).p;
    nk_buf_free(&b);
    return s;
}

/* A file in memory. */
typedef struct file {
    nk_str bytes;
    bool whole;
    nk_buf plain;
} file;

static nk_code read_file(void *arg, uint64_t from, uint64_t n, nk_str *out, nk_err *err)
{
    file *f = arg;
    *out = nk_str_sub(f->bytes, (size_t)from, (size_t)(from + n));
    return NK_OK;
}

static nk_code load_file(nk_sample *s, nk_err *err)
{
    file *f = s->arg;
    s->head = f->bytes;
    s->whole = f->whole;
    s->codec = nk_codec_of(s->head, s->name);
    if (!s->codec)
        return NK_OK;
    nk_code rc = nk_codec_head(s->codec, f->bytes, &s->whole, &f->plain, err);
    s->head = nk_buf_view(&f->plain);
    return rc;
}

static nk_code classify(const nk_customs *customs, const char *name, nk_str bytes, bool whole,
                        nk_arena *a, nk_finding *out)
{
    file f = {.bytes = bytes, .whole = whole};
    nk_sample s = {.name = nk_str_c(name), .size = bytes.n, .read = read_file, .arg = &f};
    static const nk_customs none;
    nk_buf_init(&f.plain, 1 << 20);
    nk_code rc = nk_classify(customs ? customs : &none, &s, load_file, a, out, NULL);
    nk_buf_free(&f.plain);
    return rc;
}

static void recognises(void **state)
{
    static const struct {
        nk_str in;
        bool whole;
        const char *format, *type;
        int records;
    } cases[] = {
        {S("{\"a\":1}\n{\"a\":2}\n"), true, "json", "struct<a:int>", 2},
        {S("{\"a\":1}\n{\"a\":2}\n{\"a\":"), false, "json", "struct<a:int>", 2},
        {S("[{\"a\":1},{\"b\":\"x\"}]"), true, "json", "struct<a:int,b:string>", 2},
        {S("[1,2,3]"), true, NULL, NULL, 0},
        {S("id,v,t\n1,2.5,x\n2,3,y\n"), true, "csv", "struct<id:bigint,v:double,t:string>", 2},
        {S("a,b\nx,y\n"), true, "csv", "struct<col0:string,col1:string>", 2},
        {S("a,b,c\n1,,\n2,,x\n"), true, "csv", "struct<a:bigint,b:null,c:string>", 2},
        {S("a,b,c\n1,2\n3,4,5\n6,7,8\n9,10,11,12\n13,14,15\n16,17,18\n19,20,21\n22,23,24\n"), true,
         "csv", "struct<a:bigint,b:bigint,c:bigint>", 8},
        {S("PAR1\0\0\0"), true, NULL, NULL, 0},
        {S("\xff\xfe\0a\0"), true, NULL, NULL, 0},
        {S(" \n \n"), true, NULL, NULL, 0},
        {S("just words\n"), true, NULL, NULL, 0},
        {S("{not json, 1\n{neither, 2\n{nor, 3\n"), true, "csv", "struct<col0:string,col1:bigint>",
         3},
        {S("<?xml version='1.0'?><r><a x='1'><b>2</b></a><a x='y'><b>2.5</b><c/></a></r>"), true,
         "xml", "struct<_x:string,b:double,c:null>", 2},
        {S("<r><a><t>1</t><t>2</t></a><a><t>3</t></a></r>"), true, "xml", "struct<t:array<int>>",
         2},
        {S("<row><n>1</n><m>x</m></row>"), true, "xml", "struct<n:int,m:string>", 1},
        {S("<?xml version='1.0'?><r><a>"), true, NULL, NULL, 0},
        {S("$ion_1_0 {a:1,b:'s y',c:2.5,d:2020-01-01T,e:[1,2],f:{{aGk=}},g:null.int}"), true, "ion",
         "struct<a:int,b:string,c:decimal(38,18),d:timestamp,e:array<int>,f:binary,g:null>", 1},
        {S("{name:\"x\", n: 3000000000 /* big */, t: true} // end\n{name:'''l''' '''ong''', n: "
           "1e0}"),
         true, "ion", "struct<name:string,n:double,t:boolean>", 2},
        {S("\xe0\x01\x00\xea\xee\x8f\x81\x83\xdc\x87\xbaX\x81"
           "a\x83"
           "bcd\x85"
           "e"),
         false, NULL, NULL, 0},
        /* a document {a: int32 7, b: "x"} twice */
        {S("\x15\0\0\0\x10"
           "a\0\x07\0\0\0\x02"
           "b\0\x02\0\0\0x\0\0"
           "\x15\0\0\0\x10"
           "a\0\x07\0\0\0\x02"
           "b\0\x02\0\0\0x\0\0"),
         true, "bson", "struct<a:int,b:string>", 2},
        {S("10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /a.gif HTTP/1.0\" 200 2326\n"
           "host.example - - [10/Oct/2000:13:55:37 -0700] \"POST /b HTTP/1.1\" 404 -\n"),
         true, "apache",
         "struct<clientip:string,ident:string,auth:string,timestamp:string,verb:string,"
         "request:string,httpversion:string,rawrequest:string,response:string,bytes:string>",
         2},
        {S("10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 23 \"-\" "
           "\"curl/7\"\n"),
         true, "combined_apache",
         "struct<clientip:string,ident:string,auth:string,timestamp:string,verb:string,"
         "request:string,httpversion:string,rawrequest:string,response:string,bytes:string,"
         "referrer:string,agent:string>",
         1},
        {S("Jan  2 03:04:05 box kernel: [   12.345678] usb 1-1: new device\n"), true,
         "linux_kernel",
         "struct<timestamp:string,facility:string,priority:string,logsource:string,uptime:double,"
         "message:string>",
         1},
        {S("I, [2024-01-02T03:04:05.123456 #42]  INFO -- web: started\n"), true, "ruby_logger",
         "struct<level:string,timestamp:string,pid:int,loglevel:string,progname:string,"
         "message:string>",
         1},
        {S("1286536309.586    921 192.168.0.68 TCP_MISS/200 507 POST http://a.b/c - "
           "DIRECT/10.0.0.2 "
           "text/xml\n"),
         true, "squid",
         "struct<timestamp:double,duration:bigint,clientip:string,cacheresult:string,status:int,"
         "bytes:bigint,method:string,url:string,user:string,hierarchy:string,peer:string,"
         "contenttype:string>",
         1},
        {S("1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\n"
           "1339518087.877697 [0 127.0.0.1:60866] \"dbsize\"\n"),
         true, "redismonlog",
         "struct<timestamp:double,database:int,client:string,command:string,params:string>", 2},
        {S("4018:M 14 Nov 2024 07:01:22.119 * Background saving terminated with success\n"), true,
         "redislog",
         "struct<pid:int,day:string,month:string,year:string,time:string,message:string>", 1},
        {S("192.168.114.201, -, 03/20/01, 7:55:20, W3SVC2, SERVER, 172.21.13.45, 4502, 163, 3223, "
           "200, 0, GET, /logo.gif, -,\n"),
         true, "microsoft_log",
         "struct<clientip:string,username:string,date:string,time:string,service:string,"
         "servername:string,serverip:string,timetaken:bigint,bytessent:bigint,bytesreceived:bigint,"
         "status:int,windowsstatus:int,requesttype:string,target:string,parameters:string>",
         1},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_finding r;
        assert_int_equal(classify(NULL, "f", cases[i].in, cases[i].whole, arena, &r), NK_OK);
        assert_non_null(r.why.p);
        if (!r.format != !cases[i].format ||
            (r.format && strcmp(r.format->classification, cases[i].format) != 0))
            fail_msg("case %zu is %s: %.*s", i, r.format ? r.format->classification : "nothing",
                     NK_STR_ARG(r.why));
        if (!r.format)
            continue;
        assert_string_equal(print(r.type), cases[i].type);
        assert_int_equal(r.records, cases[i].records);
    }
}

/* Documented order and number; each row says what it is. */
static void table(void **state)
{
    static const char *const order[] = {
        "avro",          "orc",         "parquet",         "json",        "bson",
        "xml",           "ion",         "combined_apache", "apache",      "linux_kernel",
        "microsoft_log", "ruby_logger", "squid",           "redismonlog", "redislog",
        "csv",           "redshift",    "mysql",           "postgresql",  "oracle",
        "sqlserver",     "dynamodb"};
    size_t n = 0;
    for (; nk_crawl_formats[n]; n++) {
        assert_true(n < NK_COUNTOF(order));
        assert_string_equal(nk_crawl_formats[n]->classification, order[n]);
        assert_non_null(nk_crawl_formats[n]->doc);
        assert_true(!nk_crawl_formats[n]->classify || nk_crawl_formats[n]->input);
    }
    assert_int_equal(n, NK_COUNTOF(order));
}

/* Anything at all may be there; nothing may crash or be read past its end. */
static void survives_noise(void **state)
{
    static const char alphabet[] = "{}[]\",:|;\t\n\r\\ax1.-e\0\xc3\xff tfn<>/=&'";
    static const nk_str marks[] = {S("Obj\x01"),
                                   S("ORC"),
                                   S("PAR1"),
                                   S("\xe0\x01\x00\xea"),
                                   S("<?xml "),
                                   S("\x1f\x8b\x08"),
                                   S("BZh91AY&SY"),
                                   S("PK\x03\x04"),
                                   S("\x28\xb5\x2f\xfd"),
                                   S("\x04\x22\x4d\x18"),
                                   S("\xff\x06\0\0sNaPpY"),
                                   S("\x20\0\0\0"),
                                   S("$ion_1_0 {"),
                                   S("")};
    static const char *const names[] = {"f", "f.parquet", "f.orc", "f.snappy", "f.sz"};
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) {
        char text[300];
        size_t n = 0, want = rand_r(&seed) % 200;
        nk_str mark = marks[rand_r(&seed) % NK_COUNTOF(marks)];
        memcpy(text, mark.p, mark.n);
        for (n = mark.n; n < mark.n + want; n++)
            text[n] = i & 1 ? alphabet[rand_r(&seed) % (sizeof alphabet - 1)] : (char)rand_r(&seed);
        if (i % 5 == 0)
            memcpy(text + n, "PAR1", 4), n += 4;
        char *exact = malloc(n + 1);
        memcpy(exact, text, n);
        nk_arena *a = nk_arena_create(0);
        nk_finding r;
        nk_code rc = classify(NULL, names[rand_r(&seed) % NK_COUNTOF(names)], nk_str_n(exact, n),
                              i & 2, a, &r);
        assert_true(rc == NK_OK || rc == NK_E_PARSE || rc == NK_E_LIMIT);
        nk_arena_destroy(a);
        free(exact);
    }
}

/* ---- grok ---- */

static void grok_patterns(void **state)
{
    static const struct {
        const char *name, *yes, *no;
    } cases[] = {
        {"USERNAME", "joe.b-1_x", "a b"},
        {"USER", "joe", "j!"},
        {"INT", "-12", "1.5"},
        {"BASE10NUM", "-1.25", "1.2.3"},
        {"NUMBER", "+3", "x3"},
        {"BASE16NUM", "0xDEADbeef", "xyz"},
        {"BASE16FLOAT", "0x1f.8", "g.1"},
        {"BOOLEAN", "True", "yes"},
        {"POSINT", "10", "0"},
        {"NONNEGINT", "0", "-1"},
        {"WORD", "abc_1", "a-b"},
        {"NOTSPACE", "a!b", "a b"},
        {"SPACE", "  ", "a"},
        {"DATA", "a b", NULL},
        {"GREEDYDATA", "a b", NULL},
        {"QUOTEDSTRING", "\"a \\\" b\"", "\"a"},
        {"UUID", "123e4567-e89b-12d3-a456-426614174000", "123e4567"},
        {"MAC", "00:1b:44:11:3a:b7", "00:1b"},
        {"CISCOMAC", "001b.4411.3ab7", "00:1b:44:11:3a:b7"},
        {"WINDOWSMAC", "00-1b-44-11-3a-b7", "00:1b:44:11:3a:b7"},
        {"COMMONMAC", "00:1b:44:11:3a:b7", "00-1b-44-11-3a-b7"},
        {"IPV6", "2001:db8::ff00:42:8329", "12"},
        {"IPV4", "192.168.1.255", "256.1.1.1"},
        {"IP", "::1", "1.2.3"},
        {"HOSTNAME", "a-b.example.com", "-a"},
        {"HOST", "box1", "a b"},
        {"IPORHOST", "10.0.0.1", "a/b"},
        {"HOSTPORT", "a.b:80", "a.b"},
        {"PATH", "/usr/bin", "usr"},
        {"UNIXPATH", "/var/log/x.log", "x"},
        {"TTY", "/dev/pts/3", "/dev/sda"},
        {"WINPATH", "C:\\Users\\x", "/c"},
        {"URIPROTO", "https", "1"},
        {"URIHOST", "a.b:8080", "a b"},
        {"URIPATH", "/a/b.html", "a"},
        {"URIPARAM", "?a=1&b=2", "a=1"},
        {"URIPATHPARAM", "/a?b=c", "a?b"},
        {"URI", "http://u:p@h.x:80/a?b=c", "h.x"},
        {"MONTH", "September", "Sebtember"},
        {"MONTHNUM", "9", "13"},
        {"MONTHNUM2", "09", "9"},
        {"MONTHDAY", "31", "32"},
        {"DAY", "Tuesday", "Tues"},
        {"YEAR", "2024", "20245"},
        {"HOUR", "23", "24"},
        {"MINUTE", "59", "60"},
        {"SECOND", "59.25", "61"},
        {"TIME", "23:59:59", "23:59"},
        {"DATE_US", "12/31/2024", "31/12/2024"},
        {"DATE_EU", "31.12.2024", "2024.12.31"},
        {"DATESTAMP_US", "12/31/2024 10:11:12", "12/31/2024"},
        {"DATESTAMP_EU", "31.12.2024-10:11:12", "31.12.2024"},
        {"ISO8601_TIMEZONE", "+01:00", "CET"},
        {"ISO8601_SECOND", "60", "75"},
        {"TIMESTAMP_ISO8601", "2024-01-02T03:04:05Z", "2024-01-02"},
        {"TZ", "PST", "XYZ"},
        {"DATESTAMP_RFC822", "Tue Jan 2 2024 03:04:05 UTC", "Jan 2"},
        {"DATESTAMP_RFC2822", "Tue, 2 Jan 2024 03:04:05 +0100", "Tue 2 Jan"},
        {"DATESTAMP_OTHER", "Tue Jan 2 03:04:05 UTC 2024", "Tue Jan 2"},
        {"DATESTAMP_EVENTLOG", "20240102030405", "2024"},
        {"CISCOTIMESTAMP", "Jan 2 03:04:05", "2 Jan"},
        {"SYSLOGTIMESTAMP", "Jan  2 03:04:05", "Jan2"},
        {"PROG", "my-prog/x", "a b"},
        {"SYSLOGPROG", "cron[42]", "cron[x]"},
        {"SYSLOGHOST", "box", "a b"},
        {"SYSLOGFACILITY", "<13.6>", "13.6"},
        {"HTTPDATE", "10/Oct/2000:13:55:36 -0700", "10/10/2000"},
        {"QS", "'x'", "x"},
        {"SYSLOGBASE", "Jan  2 03:04:05 box cron[42]:", "box cron:"},
        {"MESSAGESLOG", "Jan  2 03:04:05 box cron[42]: x y", "box"},
        {"COMMONAPACHELOG", "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1",
         "1.2.3.4"},
        {"COMBINEDAPACHELOG",
         "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1 \"a\" \"b\"",
         "1.2.3.4"},
        {"COMMONAPACHELOG_DATATYPED",
         "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1", "1.2.3.4"},
        {"LOGLEVEL", "WARNING", "loud"},
    };
    size_t n = 0;
    for (; nk_grok_patterns[n].name; n++) {
        size_t at = 0;
        while (at < NK_COUNTOF(cases) && strcmp(cases[at].name, nk_grok_patterns[n].name) != 0)
            at++;
        if (at == NK_COUNTOF(cases))
            fail_msg("%s has no case", nk_grok_patterns[n].name);
        nk_grok *g;
        nk_err err = NK_ERR_INIT;
        char pattern[100];
        snprintf(pattern, sizeof pattern, "%%{%s:x}", cases[at].name);
        if (nk_grok_compile(nk_str_c(pattern), NK_STR(""), &g, &err) != NK_OK)
            fail_msg("%s: %s", pattern, err.msg);
        if (!nk_grok_match(g, nk_str_c(cases[at].yes)))
            fail_msg("%s does not match %s", cases[at].name, cases[at].yes);
        if (cases[at].no && nk_grok_match(g, nk_str_c(cases[at].no)))
            fail_msg("%s matches %s", cases[at].name, cases[at].no);
        nk_grok_free(g);
    }
    assert_int_equal(n, 74);
}

static void grok_custom(void **state)
{
    nk_grok *g;
    assert_int_equal(
        nk_grok_compile(NK_STR("%{STAMP:at} %{N:n:int} %{WORD:w} %{WORD:w} %{NUMBER:d:double}"),
                        NK_STR("N \\d{1,3}\r\nSTAMP %{YEAR}/%{MONTHNUM}\n\nBROKEN"), &g, NULL),
        NK_OK);
    assert_string_equal(print(nk_grok_type(g)), "struct<at:string,n:int,w:string,d:double>");
    assert_true(nk_grok_match(g, NK_STR("2024/5 123 a b 1.5\r")));
    assert_false(nk_grok_match(g, NK_STR("2024/5 1234 a b 1.5")));
    nk_grok_free(g);
    static const struct {
        const char *pattern, *custom, *says;
    } wrong[] = {
        {"%{NOPE:x}", "", "NOPE"},
        {"%{WORD}", "", "no field"},
        {"%{WORD:x", "", "not closed"},
        {"%{WORD:x:money}", "", "money"},
        {"%{A:x}", "A %{B}\nB %{A}", "deep"},
        {"%{A:x}", "A (", "not a regular expression"},
        {"%{WORD:x:int:more}", "", "form"},
        {"%{A:x}",
         "A %{B}%{B}%{B}%{B}\nB %{C}%{C}%{C}%{C}\nC %{D}%{D}%{D}%{D}\nD %{E}%{E}%{E}%{E}\n"
         "E %{F}%{F}%{F}%{F}\nF %{URI}%{URI}%{URI}%{URI}",
         "too long"},
    };
    for (size_t i = 0; i < NK_COUNTOF(wrong); i++) {
        nk_err err = NK_ERR_INIT;
        assert_int_equal(
            nk_grok_compile(nk_str_c(wrong[i].pattern), nk_str_c(wrong[i].custom), &g, &err),
            NK_E_INVALID);
        if (!strstr(err.msg, wrong[i].says))
            fail_msg("%s: %s", wrong[i].pattern, err.msg);
    }
    /* one that would run for ever ends */
    assert_int_equal(
        nk_grok_compile(NK_STR("%{EVIL:x}!"), NK_STR("EVIL (a|a|aa)+(a|aa)*"), &g, NULL), NK_OK);
    char line[4000];
    memset(line, 'a', sizeof line);
    assert_false(nk_grok_match(g, nk_str_n(line, sizeof line)));
    nk_grok_free(g);
}

/* ---- JSON paths ---- */

static void json_paths(void **state)
{
    static const nk_str doc = S("{\"a\":{\"rows\":[{\"x\":1},{\"x\":2,\"y\":\"s\"}],\"b "
                                "c\":{\"z\":true}},\"n\":[[1],[2.5]]}");
    static const struct {
        const char *path, *type;
        int hits;
    } cases[] = {
        {"$",
         "struct<a:struct<rows:array<struct<x:int,y:string>>,b c:struct<z:boolean>>,"
         "n:array<array<double>>>",
         1},
        {"$.a.rows[*]", "struct<x:int,y:string>", 2},
        {"$.a.rows[1]", "struct<x:int,y:string>", 1},
        {"$['a']['rows'][0]", "struct<x:int>", 1},
        {"$.a['b c']", "struct<z:boolean>", 1},
        {"$.n[*][*]", "double", 2},
        {"$.*.rows[*]", "struct<x:int,y:string>", 2},
        {"$.a.none", "null", 0},
        {"$.a.rows[*],$.n", "struct<x:int,y:string>", 2},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        nk_jsonpath p;
        const nk_type *t;
        uint64_t hits;
        bool broken;
        nk_infer *in = nk_infer_create(arena, 0);
        assert_int_equal(nk_jsonpath_parse(nk_str_c(cases[i].path), arena, &p, NULL), NK_OK);
        assert_int_equal(nk_jsonpath_observe(&p, in, doc, arena, &hits, &broken, NULL), NK_OK);
        assert_int_equal(nk_infer_type(in, NK_MERGE_CRAWL, 0, arena, &t, NULL), NK_OK);
        assert_int_equal(hits, cases[i].hits);
        if (strcmp(print(t), cases[i].type) != 0 && cases[i].hits != 1)
            fail_msg("%s: %s", cases[i].path, print(t));
    }
    static const char *const wrong[] = {"", "a", "$a", "$.", "$[", "$[x]", "$['a", "$..a"};
    for (size_t i = 0; i < NK_COUNTOF(wrong); i++) {
        nk_jsonpath p;
        assert_int_equal(nk_jsonpath_parse(nk_str_c(wrong[i]), arena, &p, NULL), NK_E_INVALID);
    }
    /* cut in the middle: what came before counts */
    nk_jsonpath p;
    uint64_t hits;
    bool broken;
    nk_infer *in = nk_infer_create(arena, 0);
    assert_int_equal(nk_jsonpath_parse(NK_STR("$.r[*]"), arena, &p, NULL), NK_OK);
    assert_int_equal(nk_jsonpath_observe(&p, in, NK_STR("{\"r\":[{\"x\":1},{\"x\":2},{\"x"), arena,
                                         &hits, &broken, NULL),
                     NK_OK);
    assert_true(broken);
    assert_int_equal(hits, 2);
}

static int open_arena(void **state)
{
    arena = nk_arena_create(0);
    return arena ? 0 : -1;
}

static int close_arena(void **state)
{
    nk_arena_destroy(arena);
    return 0;
}

/* Samples in which no record ends ask for more of the file; whole files, and those that are told by
 * what is there, do not. */
static void wants_more(void **state)
{
    static const struct {
        nk_str in;
        bool more;
    } cases[] = {
        {S("{\"a\": \"long"), true},
        {S("[{\"a\": [1, 2,"), true},
        {S("{\"a\": 1}\n{\"a\": \"long"), false},
        {S("[1, 2, 3, "), true}, /* it may be CSV */
        {S("a,b\n1,\"long\n2,3\n4,5\n6,7\n"), true},
        {S("a,b\n1,2\n3,4\n5,6\n"), false},
        {S("just a line without end"), true},
        {S("prose\nof\nseveral\nlines\n"), false},
        {S("<?xml version=\"1.0\"?><r><row><a>1</a><b>lo"), true},
        {S("<?xml version=\"1.0\"?><r><row><a>1</a></row><row><a>2</a></row><row>"), false},
        {S("\1\2\3\4\5\6,\2\3\n\4\5,\6\n\2\3,\4\5"), false},
    };
    for (size_t i = 0; i < NK_COUNTOF(cases); i++) {
        for (int whole = 0; whole < 2; whole++) {
            nk_finding r;
            assert_int_equal(classify(NULL, "f", cases[i].in, whole, arena, &r), NK_OK);
            if (r.more != (cases[i].more && !whole))
                fail_msg("case %zu%s: %.*s", i, whole ? ", whole" : "", NK_STR_ARG(r.why));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recognises),     cmocka_unit_test(wants_more),
        cmocka_unit_test(table),          cmocka_unit_test(grok_patterns),
        cmocka_unit_test(grok_custom),    cmocka_unit_test(json_paths),
        cmocka_unit_test(survives_noise),
    };
    return cmocka_run_group_tests_name("crawl_formats", tests, open_arena, close_arena);
}
