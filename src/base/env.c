#include "base/env.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/hash.h"

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t real_now(void *arg)
{
    return clock_us(CLOCK_REALTIME);
}

static int64_t real_mono(void *arg)
{
    return clock_us(CLOCK_MONOTONIC);
}

static nk_code real_random(void *arg, void *out, size_t n)
{
    char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return NK_E_IO;
        p += got;
        n -= (size_t)got;
    }
    return NK_OK;
}

const nk_env *nk_env_real(void)
{
    static const nk_env real = {real_now, real_mono, real_random, NULL};
    return &real;
}

nk_code nk_random_hex(const nk_env *e, char *out, size_t n)
{
    while (n) {
        unsigned char raw[64];
        size_t k = n < sizeof raw ? n : sizeof raw;
        NK_TRY(e->random(e->arg, raw, k));
        nk_hex(raw, k, out);
        out += 2 * k;
        n -= k;
    }
    *out = 0;
    return NK_OK;
}

nk_code nk_uuid(const nk_env *e, char out[37])
{
    unsigned char raw[16];
    char hex[33];
    NK_TRY(e->random(e->arg, raw, sizeof raw));
    raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
    raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
    nk_hex(raw, sizeof raw, hex);
    char *p = out;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *p++ = '-';
        *p++ = hex[i];
    }
    *p = 0;
    return NK_OK;
}

/* Days are counted from 1 March of year 0, so that leap days end a year; 400 years are 146097 days
 * and 719468 lie before 1970. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

nk_civil nk_civil_from_us(int64_t us)
{
    const int64_t day_us = INT64_C(86400000000);
    int64_t days = us / day_us, rest = us % day_us;
    if (rest < 0) {
        rest += day_us;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    int64_t wd = (days + 4) % 7;
    return (nk_civil){
        .year = (int)(yoe + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .hour = (int)(rest / INT64_C(3600000000)),
        .minute = (int)(rest / 60000000 % 60),
        .second = (int)(rest / 1000000 % 60),
        .usec = (int)(rest % 1000000),
        .weekday = (int)(wd < 0 ? wd + 7 : wd),
    };
}

int64_t nk_civil_to_us(const nk_civil *c)
{
    int64_t days = days_from_civil(c->year, c->month, c->day);
    return ((days * 24 + c->hour) * 60 + c->minute) * 60000000 + (int64_t)c->second * 1000000 +
           c->usec;
}
