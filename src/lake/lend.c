#include "lake/lend.h"

#include <ctype.h>
#include <stdio.h>

#define ENDED_US ((int64_t)60 * 1000000) /* long enough to be read, however busy the lake is */

void nk_lends_init(nk_lends *l, unsigned life_s)
{
    *l = (nk_lends){.life_us = (int64_t)(life_s ? life_s : 3600) * 1000000};
    pthread_mutex_init(&l->lock, NULL);
}

void nk_lends_free(nk_lends *l)
{
    for (size_t i = 0; i < l->n; i++)
        nk_free(l->v[i].places);
    nk_free(l->v);
    pthread_mutex_destroy(&l->lock);
}

static nk_code make(nk_lends *l, nk_str places, int64_t now_us, nk_lend *made, nk_err *err)
{
    char id[17];
    *made = (nk_lend){.until_us = now_us + l->life_us};
    NK_TRY(nk_random_hex(nk_env_real(), id, 8));
    NK_TRY(nk_random_hex(nk_env_real(), made->secret, 20));
    for (char *p = id; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    snprintf(made->access, sizeof made->access, "ASIA%s", id);
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        nk_lend *v = nk_realloc(l->v, cap * sizeof *v);
        if (!v)
            return nk_fail(err, NK_E_NOMEM, "out of memory");
        l->v = v;
        l->cap = cap;
    }
    made->places = nk_calloc(1, places.n + 1);
    if (!made->places)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    memcpy(made->places, places.p, places.n);
    l->v[l->n++] = *made;
    l->dirty = true;
    return NK_OK;
}

/* Under the lock. */
static const nk_lend *find(const nk_lends *l, nk_str places, int64_t now_us)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].until_us - now_us > l->life_us / 2 && nk_str_is(places, l->v[i].places))
            return &l->v[i];
    return NULL;
}

bool nk_lends_has(nk_lends *l, nk_str places, int64_t now_us)
{
    pthread_mutex_lock(&l->lock);
    const nk_lend *e = find(l, places, now_us);
    bool has = e && e->taken;
    pthread_mutex_unlock(&l->lock);
    return has;
}

nk_code nk_lends_get(nk_lends *l, nk_str places, int64_t now_us, nk_lend *out, nk_err *err)
{
    nk_code rc = NK_OK;
    pthread_mutex_lock(&l->lock);
    const nk_lend *there = find(l, places, now_us);
    if (there)
        *out = *there;
    else
        rc = l->n < NK_LEND_MAX
                 ? make(l, places, now_us, out, err)
                 : nk_fail(err, NK_E_THROTTLED, "%d key pairs of the lake are lent: try later",
                           NK_LEND_MAX);
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void nk_lends_taken(nk_lends *l, const nk_lend *e)
{
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].access, e->access))
            l->v[i].taken = true;
    pthread_mutex_unlock(&l->lock);
}

static void put_identity(nk_json_writer *w, const nk_lend *e, bool disabled)
{
    static const char *const actions[] = {"Read", "Write", "List", "Tagging"};
    char action[1200];
    nk_str rest = nk_str_c(e->places), place;
    nk_jw_object(w);
    nk_jw_kcstr(w, "name", e->access);
    if (disabled)
        nk_jw_kbool(w, "disabled", true);
    nk_jw_key(w, NK_STR("credentials"));
    nk_jw_array(w);
    nk_jw_object(w);
    nk_jw_kcstr(w, "accessKey", e->access);
    nk_jw_kcstr(w, "secretKey", e->secret);
    nk_jw_object_end(w);
    nk_jw_array_end(w);
    nk_jw_key(w, NK_STR("actions"));
    nk_jw_array(w);
    while (nk_str_split(&rest, '\n', &place)) {
        for (size_t i = 0; place.n && i < NK_COUNTOF(actions); i++)
            if (snprintf(action, sizeof action, "%s:%.*s*", actions[i], NK_STR_ARG(place)) <
                (int)sizeof action)
                nk_jw_cstr(w, action);
    }
    nk_jw_array_end(w);
    nk_jw_object_end(w);
}

bool nk_lends_due(nk_lends *l, int64_t now_us)
{
    pthread_mutex_lock(&l->lock);
    bool due = l->dirty;
    for (size_t i = 0; i < l->n && !due; i++)
        due = !l->v[i].ended && l->v[i].until_us <= now_us;
    pthread_mutex_unlock(&l->lock);
    return due;
}

void nk_lends_write(nk_lends *l, int64_t now_us, nk_json_writer *w)
{
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->n;) {
        nk_lend *e = &l->v[i];
        if (e->ended && e->until_us + ENDED_US <= now_us) {
            nk_free(e->places);
            *e = l->v[--l->n];
            continue;
        }
        e->ended = e->until_us <= now_us;
        put_identity(w, e, e->ended);
        i++;
    }
    l->dirty = false;
    pthread_mutex_unlock(&l->lock);
}

void nk_lends_lost(nk_lends *l)
{
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->n; i++)
        l->v[i].ended = false;
    l->dirty = true;
    pthread_mutex_unlock(&l->lock);
}
