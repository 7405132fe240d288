/* AWS's schedule expressions. */
#ifndef NK_CRON_H
#define NK_CRON_H

#include "base/base.h"

enum { NK_CRON_YEARS = 230 }; /* from 1970, as AWS has it */

typedef struct nk_cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays; /* bits; weekday 1 = Sunday */
    bool any_day, any_weekday;              /* '?' or '*' */
    bool last_day, last_weekday_of_month;   /* L; 6L */
    int nearest_weekday;                    /* 15W; -1 = LW; 0 = none */
    int nth;                                /* 6#3 */
    bool years[NK_CRON_YEARS];              /* from 1970 */
} nk_cron;
/* "cron(15 12 * * ? *)": AWS's six fields, UTC. NK_E_INVALID says what is wrong. */
nk_code nk_cron_parse(nk_str text, nk_cron *out, nk_err *err) NK_MUST;
/* Minutes between the two firings of one day, or of a day's end and the next one's begin, that are
 * nearest to one another; 1440 when it fires once a day. */
int nk_cron_least_gap(const nk_cron *c);
/* Whether it fires in the minute that holds t. */
bool nk_cron_fires(const nk_cron *c, int64_t t_us);

#endif
