/* A table of sets: a key's set is found by its hash, and holds a few places. When a shard holds too
 * much, a hand goes round over its places: what was asked for since it last came by stays. */
#include <pthread.h>

#include "base/base.h"
#include "base/cache.h"

enum { SHARDS = 16, WAYS = 8, BYTES_A_PLACE = 2048, VALUE_SHARE = 64 };

typedef struct entry {
    int64_t stamp;
    size_t key_n, value_n;
    char text[]; /* key, then value */
} entry;

typedef struct place {
    entry *e; /* owned; NULL = free */
    uint32_t hash;
    bool used; /* since the hand was here */
} place;

typedef struct shard {
    pthread_mutex_t lock;
    place *places; /* sets × WAYS */
    size_t bytes, hand, turn;
} shard;

struct nk_cache {
    size_t sets, max; /* a shard's */
    shard shards[SHARDS];
};

nk_cache *nk_cache_create(size_t max_bytes)
{
    nk_cache *c = nk_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->max = max_bytes / SHARDS;
    c->sets = c->max / BYTES_A_PLACE / WAYS + 1;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&c->shards[i].lock, NULL);
    for (size_t i = 0; i < SHARDS; i++) {
        c->shards[i].places = nk_calloc(c->sets * WAYS, sizeof(place));
        if (!c->shards[i].places) {
            nk_cache_destroy(c);
            return NULL;
        }
    }
    return c;
}

void nk_cache_destroy(nk_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        for (size_t k = 0; c->shards[i].places && k < c->sets * WAYS; k++)
            nk_free(c->shards[i].places[k].e);
        nk_free(c->shards[i].places);
        pthread_mutex_destroy(&c->shards[i].lock);
    }
    nk_free(c);
}

static size_t size_of(const entry *e)
{
    return sizeof *e + e->key_n + e->value_n;
}

static void empty(shard *s, place *p)
{
    s->bytes -= size_of(p->e);
    nk_free(p->e);
    p->e = NULL;
}

/* The key's shard, locked, and its set. */
static shard *enter(nk_cache *c, nk_str key, uint32_t *hash, place **set)
{
    uint64_t h = nk_hash64(key.p, key.n, 11);
    shard *s = &c->shards[h % SHARDS];
    *hash = (uint32_t)(h >> 32);
    *set = s->places + h / SHARDS % c->sets * WAYS;
    pthread_mutex_lock(&s->lock);
    return s;
}

static place *find(place *set, uint32_t hash, nk_str key)
{
    for (place *p = set; p < set + WAYS; p++)
        if (p->e && p->hash == hash && p->e->key_n == key.n && !memcmp(p->e->text, key.p, key.n))
            return p;
    return NULL;
}

nk_str nk_cache_get(nk_cache *c, nk_str key, int64_t not_older_than, nk_arena *a)
{
    uint32_t hash;
    place *set;
    nk_str value = NK_STR_NULL;
    shard *s = enter(c, key, &hash, &set);
    place *p = find(set, hash, key);
    if (p && p->e->stamp < not_older_than) {
        empty(s, p);
    } else if (p) {
        p->used = true;
        value = nk_str_dup(a, nk_str_n(p->e->text + key.n, p->e->value_n));
    }
    pthread_mutex_unlock(&s->lock);
    return value;
}

/* A free place of the set, or that of one who was not asked for of late, each in its turn. */
static place *room(shard *s, place *set)
{
    place *victim = NULL;
    size_t first = s->turn++;
    for (size_t i = 0; i < WAYS; i++) {
        place *p = &set[(first + i) % WAYS];
        if (!p->e)
            return p;
        if (!victim && !p->used)
            victim = p;
    }
    for (size_t i = 0; !victim && i < WAYS; i++)
        set[i].used = false;
    if (!victim)
        victim = &set[first % WAYS];
    empty(s, victim);
    return victim;
}

static void shrink(nk_cache *c, shard *s, const place *but)
{
    while (s->bytes > c->max) {
        place *p = &s->places[s->hand];
        s->hand = (s->hand + 1) % (c->sets * WAYS);
        if (p->e && p != but && !p->used)
            empty(s, p);
        p->used = p == but && p->used;
    }
}

void nk_cache_put(nk_cache *c, nk_str key, int64_t stamp, nk_str value)
{
    uint32_t hash;
    place *set;
    size_t size = sizeof(entry) + key.n + value.n; /* what is larger could never stay */
    entry *e = size > c->max * SHARDS / VALUE_SHARE ? NULL : nk_malloc(size);
    if (!e)
        return;
    *e = (entry){.stamp = stamp, .key_n = key.n, .value_n = value.n};
    memcpy(e->text, key.p, key.n);
    memcpy(e->text + key.n, value.p, value.n);
    shard *s = enter(c, key, &hash, &set);
    place *p = find(set, hash, key);
    if (p && p->e->stamp > stamp) {
        nk_free(e);
    } else {
        if (p)
            empty(s, p);
        else
            p = room(s, set);
        *p = (place){.e = e, .hash = hash};
        s->bytes += size_of(e);
        shrink(c, s, p);
    }
    pthread_mutex_unlock(&s->lock);
}

size_t nk_cache_bytes(nk_cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        n += c->shards[i].bytes;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
    return n;
}
