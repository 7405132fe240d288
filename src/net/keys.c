#include <pthread.h>
#include <stdio.h>

#include "net/keys.h"

#define DERIVED_MAX 16 /* (date, region, service) triples remembered a key */

typedef struct derived {
    char scope[112]; /* "date/region/service"; longer ones are worked out each time */
    nk_sigv4_key key;
} derived;

typedef struct entry {
    char id[NK_KEY_ID_MAX + 1], secret[NK_KEY_SECRET_MAX + 1];
    char *token; /* owned; NULL = none */
    char scope[64];
    derived derived[DERIVED_MAX];
    unsigned nderived, next;
} entry;

struct nk_keys {
    pthread_rwlock_t lock;
    nk_map by_id; /* entry.id to owned entry */
};

static void entry_free(entry *e)
{
    if (e)
        nk_free(e->token);
    nk_free(e);
}

nk_code nk_keys_create(nk_keys **out, nk_err *err)
{
    nk_keys *k = nk_calloc(1, sizeof *k);
    if (!k)
        return nk_fail(err, NK_E_NOMEM, "no memory for keys");
    pthread_rwlock_init(&k->lock, NULL);
    nk_map_init(&k->by_id);
    *out = k;
    return NK_OK;
}

void nk_keys_destroy(nk_keys *k)
{
    nk_map_slot *slot;
    if (!k)
        return;
    for (size_t i = 0; nk_map_next(&k->by_id, &i, &slot);)
        entry_free(slot->value);
    nk_map_free(&k->by_id);
    pthread_rwlock_destroy(&k->lock);
    nk_free(k);
}

nk_code nk_keys_add(nk_keys *k, const char *access_key, const char *secret, const char *token,
                    const char *scope, nk_err *err)
{
    size_t nid = strlen(access_key), nsecret = strlen(secret);
    if (!nid || nid > NK_KEY_ID_MAX || !nsecret || nsecret > NK_KEY_SECRET_MAX)
        return nk_fail(err, NK_E_INVALID, "a key id and its secret have 1 to %d characters each",
                       NK_KEY_ID_MAX);
    if (strchr(access_key, '/'))
        return nk_fail(err, NK_E_INVALID, "a key id holds no '/'");
    entry *e = nk_calloc(1, sizeof *e);
    if (!e || (token && !(e->token = nk_strdup(token)))) {
        entry_free(e);
        return nk_fail(err, NK_E_NOMEM, "no memory for a key");
    }
    memcpy(e->id, access_key, nid);
    memcpy(e->secret, secret, nsecret);
    snprintf(e->scope, sizeof e->scope, "%s", scope ? scope : "");
    pthread_rwlock_wrlock(&k->lock);
    nk_code rc = nk_map_has(&k->by_id, nk_str_c(e->id))
                     ? NK_E_EXISTS
                     : nk_map_put(&k->by_id, nk_str_c(e->id), e, NULL);
    pthread_rwlock_unlock(&k->lock);
    if (rc != NK_OK) {
        entry_free(e);
        return nk_fail(err, rc, "the key %s cannot be added", access_key);
    }
    return NK_OK;
}

nk_code nk_keys_make(nk_keys *k, const nk_env *env, const char *scope, char access_key[21],
                     char secret[41], nk_err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char any[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char raw[56];
    nk_code rc = env->random(env->arg, raw, sizeof raw);
    if (rc != NK_OK)
        return nk_fail(err, rc, "no randomness for a key");
    memcpy(access_key, scope && *scope ? "ASIA" : "AKIA", 4);
    for (int i = 0; i < 16; i++)
        access_key[4 + i] = letters[raw[i] % 32];
    access_key[20] = 0;
    for (int i = 0; i < 40; i++)
        secret[i] = any[raw[16 + i] % 64];
    secret[40] = 0;
    return nk_keys_add(k, access_key, secret, NULL, scope, err);
}

void nk_keys_remove(nk_keys *k, const char *access_key)
{
    pthread_rwlock_wrlock(&k->lock);
    entry *e = nk_map_del(&k->by_id, nk_str_c(access_key));
    pthread_rwlock_unlock(&k->lock);
    entry_free(e);
}

void nk_keys_remove_scope(nk_keys *k, const char *scope)
{
    if (!scope || !*scope)
        return;
    for (;;) {
        entry *found = NULL;
        nk_map_slot *slot;
        pthread_rwlock_wrlock(&k->lock);
        for (size_t i = 0; !found && nk_map_next(&k->by_id, &i, &slot);) {
            entry *e = slot->value;
            if (strcmp(e->scope, scope) == 0)
                found = e;
        }
        if (found)
            nk_map_del(&k->by_id, nk_str_c(found->id));
        pthread_rwlock_unlock(&k->lock);
        if (!found)
            return;
        entry_free(found);
    }
}

static nk_code unknown_key(nk_err *err)
{
    return nk_fail(err, NK_E_AUTH_UNKNOWN_KEY,
                   "The security token included in the request is invalid.");
}

/* Under the lock. A key with a token wants it; one without takes none. */
static entry *find(nk_keys *k, const nk_sigv4_auth *auth)
{
    entry *e = nk_map_get(&k->by_id, auth->access_key);
    if (!e)
        return NULL;
    size_t n = e->token ? strlen(e->token) : 0;
    if (n != auth->token.n || (n && !nk_equal_ct(e->token, auth->token.p, n)))
        return NULL;
    return e;
}

nk_code nk_keys_derive(nk_keys *k, const nk_sigv4_auth *auth, nk_sigv4_key *out, char scope[64],
                       nk_err *err)
{
    char want[112];
    size_t n = auth->date.n + auth->region.n + auth->service.n + 2;
    bool fits = n < sizeof want, hit = false;
    if (fits)
        snprintf(want, sizeof want, "%.*s/%.*s/%.*s", NK_STR_ARG(auth->date),
                 NK_STR_ARG(auth->region), NK_STR_ARG(auth->service));
    pthread_rwlock_rdlock(&k->lock);
    entry *e = find(k, auth);
    for (unsigned i = 0; e && fits && !hit && i < e->nderived; i++) {
        if (memcmp(e->derived[i].scope, want, n + 1) == 0) {
            *out = e->derived[i].key;
            hit = true;
        }
    }
    if (e)
        memcpy(scope, e->scope, 64);
    pthread_rwlock_unlock(&k->lock);
    if (!e)
        return unknown_key(err);
    if (hit)
        return NK_OK;
    pthread_rwlock_wrlock(&k->lock);
    e = find(k, auth);
    if (e) {
        nk_sigv4_derive(nk_str_c(e->secret), auth->date, auth->region, auth->service, out);
        if (fits) {
            derived *d = &e->derived[e->next++ % DERIVED_MAX];
            memcpy(d->scope, want, n + 1);
            d->key = *out;
            if (e->nderived < DERIVED_MAX)
                e->nderived++;
        }
    }
    pthread_rwlock_unlock(&k->lock);
    return e ? NK_OK : unknown_key(err);
}

nk_code nk_keys_secret(nk_keys *k, nk_str access_key, char out[NK_KEY_SECRET_MAX + 1], nk_err *err)
{
    pthread_rwlock_rdlock(&k->lock);
    entry *e = nk_map_get(&k->by_id, access_key);
    if (e)
        memcpy(out, e->secret, sizeof e->secret);
    pthread_rwlock_unlock(&k->lock);
    return e ? NK_OK : unknown_key(err);
}
