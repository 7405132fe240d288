/* AWS's cron: minute hour day-of-month month day-of-week year, with ? L W and #. */
#include "base/cron.h"

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const day_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

typedef struct field_rule {
    const char *name;
    int min, max;
    const char *const *names;
    size_t nnames;
} field_rule;

static const field_rule rules[] = {
    {"minutes", 0, 59, NULL, 0},         {"hours", 0, 23, NULL, 0},
    {"day-of-month", 1, 31, NULL, 0},    {"month", 1, 12, month_names, 12},
    {"day-of-week", 1, 7, day_names, 7}, {"year", 1970, 1970 + NK_CRON_YEARS - 1, NULL, 0},
};

static nk_code bad(const field_rule *r, nk_str piece, nk_err *err)
{
    return nk_fail(err, NK_E_INVALID, "Schedule expression: \"%.*s\" is not a valid %s",
                   NK_STR_ARG(piece), r->name);
}

static bool value(const field_rule *r, nk_str s, int *out)
{
    int64_t v;
    for (size_t i = 0; i < r->nnames; i++) {
        if (nk_str_ieq(s, nk_str_c(r->names[i]))) {
            *out = r->min + (int)i;
            return true;
        }
    }
    if (!nk_str_i64(s, &v) || v < r->min || v > r->max)
        return false;
    *out = (int)v;
    return true;
}

/* a, a-b, a/step, a-b/step, *, *\/step into on[], which is indexed by value - min. */
static nk_code range(const field_rule *r, nk_str piece, bool *on, nk_err *err)
{
    nk_str whole = piece;
    int64_t step = 1;
    ptrdiff_t slash = nk_str_chr(piece, '/');
    if (slash >= 0) {
        if (!nk_str_i64(nk_str_sub(piece, (size_t)slash + 1, piece.n), &step) || step < 1 ||
            step > r->max)
            return bad(r, whole, err);
        piece = nk_str_sub(piece, 0, (size_t)slash);
    }
    int from, to;
    ptrdiff_t dash = nk_str_chr(piece, '-');
    if (nk_str_is(piece, "*")) {
        from = r->min;
        to = r->max;
    } else if (dash > 0) {
        if (!value(r, nk_str_sub(piece, 0, (size_t)dash), &from) ||
            !value(r, nk_str_sub(piece, (size_t)dash + 1, piece.n), &to) || to < from)
            return bad(r, whole, err);
    } else {
        if (!value(r, piece, &from))
            return bad(r, whole, err);
        to = slash >= 0 ? r->max : from;
    }
    for (int v = from; v <= to; v += (int)step)
        on[v - r->min] = true;
    return NK_OK;
}

/* L, LW, 15W, 6L and 6#3; false when it is none of them. */
static bool special(nk_cron *c, int field, nk_str text)
{
    int v;
    if (field == 2 && nk_str_is(text, "L"))
        return c->last_day = true;
    if (field == 2 && nk_str_is(text, "LW")) {
        c->nearest_weekday = -1;
        return true;
    }
    if (field == 2 && nk_str_ends(text, NK_STR("W")) &&
        value(&rules[2], nk_str_sub(text, 0, text.n - 1), &v)) {
        c->nearest_weekday = v;
        return true;
    }
    if (field == 4 && nk_str_is(text, "L")) {
        c->weekdays = 1u << 7;
        return true;
    }
    if (field == 4 && nk_str_ends(text, NK_STR("L")) &&
        value(&rules[4], nk_str_sub(text, 0, text.n - 1), &v)) {
        c->weekdays = 1u << v;
        c->last_weekday_of_month = true;
        return true;
    }
    ptrdiff_t hash = nk_str_chr(text, '#');
    int64_t nth;
    if (field == 4 && hash > 0 && value(&rules[4], nk_str_sub(text, 0, (size_t)hash), &v) &&
        nk_str_i64(nk_str_sub(text, (size_t)hash + 1, text.n), &nth) && nth >= 1 && nth <= 5) {
        c->weekdays = 1u << v;
        c->nth = (int)nth;
        return true;
    }
    return false;
}

static nk_code field(nk_cron *c, int i, nk_str text, nk_err *err)
{
    const field_rule *r = &rules[i];
    bool on[NK_CRON_YEARS] = {false};
    bool any = nk_str_is(text, "?");
    if (any && i != 2 && i != 4)
        return bad(r, text, err);
    if (!any && special(c, i, text))
        return NK_OK;
    nk_str rest = text, piece;
    while (!any && nk_str_split(&rest, ',', &piece))
        NK_TRY(range(r, piece, on, err));
    for (int v = r->min; v <= r->max; v++) {
        if (!on[v - r->min])
            continue;
        if (i == 0)
            c->minutes |= (uint64_t)1 << v;
        else if (i == 5)
            c->years[v - r->min] = true;
        else
            *(i == 1   ? &c->hours
              : i == 2 ? &c->days
              : i == 3 ? &c->months
                       : &c->weekdays) |= 1u << v;
    }
    if (i == 2)
        c->any_day = any;
    if (i == 4)
        c->any_weekday = any;
    return NK_OK;
}

nk_code nk_cron_parse(nk_str text, nk_cron *out, nk_err *err)
{
    *out = (nk_cron){0};
    nk_str s = nk_str_trim(text);
    if (!nk_str_starts(s, NK_STR("cron(")) || !nk_str_ends(s, NK_STR(")")))
        return nk_fail(err, NK_E_INVALID,
                       "Schedule expression \"%.*s\": cron(minutes hours day-of-month month "
                       "day-of-week year) is expected",
                       NK_STR_ARG(text));
    nk_str rest = nk_str_sub(s, 5, s.n - 1), piece, pieces[6];
    int n = 0;
    while (nk_str_split(&rest, ' ', &piece)) {
        if (!piece.n)
            continue;
        if (n < 6)
            pieces[n] = piece;
        n++;
    }
    if (n != 6)
        return nk_fail(err, NK_E_INVALID,
                       "Schedule expression \"%.*s\": six fields are expected, %d are there",
                       NK_STR_ARG(text), n);
    for (int i = 0; i < 6; i++)
        NK_TRY(field(out, i, pieces[i], err));
    if (out->any_day == out->any_weekday)
        return nk_fail(
            err, NK_E_INVALID,
            "Schedule expression \"%.*s\": one of day-of-month and day-of-week must be ?",
            NK_STR_ARG(text));
    return NK_OK;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int weekday_of(const nk_civil *t, int day)
{
    return ((t->weekday + (day - t->day)) % 7 + 7) % 7; /* 0 = Sunday */
}

/* The working day nearest to day, within the month. */
static int nearest(const nk_civil *t, int day, int last)
{
    if (day > last)
        return 0;
    int w = weekday_of(t, day);
    if (w == 6)
        return day > 1 ? day - 1 : day + 2;
    if (w == 0)
        return day < last ? day + 1 : day - 2;
    return day;
}

bool nk_cron_fires(const nk_cron *c, int64_t t_us)
{
    nk_civil t = nk_civil_from_us(t_us);
    int last = days_in(t.year, t.month);
    if (t.year < 1970 || t.year >= 1970 + NK_CRON_YEARS || !c->years[t.year - 1970] ||
        !(c->minutes >> t.minute & 1) || !(c->hours >> t.hour & 1) || !(c->months >> t.month & 1))
        return false;
    if (!c->any_day) {
        if (c->last_day)
            return t.day == last;
        if (c->nearest_weekday)
            return t.day == nearest(&t, c->nearest_weekday < 0 ? last : c->nearest_weekday, last);
        return c->days >> t.day & 1;
    }
    if (!(c->weekdays >> (t.weekday + 1) & 1))
        return false;
    if (c->last_weekday_of_month)
        return t.day + 7 > last;
    return !c->nth || (t.day - 1) / 7 + 1 == c->nth;
}

int nk_cron_least_gap(const nk_cron *c)
{
    enum { DAY = 1440 };
    int first = -1, last = -1, least = DAY;
    for (int m = 0; m < DAY; m++) {
        if (!(c->hours >> (m / 60) & 1) || !(c->minutes >> (m % 60) & 1))
            continue;
        if (first < 0)
            first = m;
        else if (m - last < least)
            least = m - last;
        last = m;
    }
    return first >= 0 && first + DAY - last < least ? first + DAY - last : least;
}
