/* Linear probing; deletion shifts back, so there are no tombstones. */
#include "base/map.h"

#include "base/env.h"
#include "base/hash.h"

static uint64_t seed(void)
{
    static uint64_t value;
    uint64_t s = __atomic_load_n(&value, __ATOMIC_RELAXED);
    if (s)
        return s;
    uint64_t fresh = 0, none = 0;
    if (nk_env_real()->random(NULL, &fresh, sizeof fresh) != NK_OK)
        fresh = (uint64_t)nk_mono_us(nk_env_real());
    fresh |= 1;
    return __atomic_compare_exchange_n(&value, &none, fresh, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED)
               ? fresh
               : none;
}

void nk_map_init(nk_map *m)
{
    *m = (nk_map){0};
}

void nk_map_free(nk_map *m)
{
    nk_free(m->slots);
    nk_map_init(m);
}

/* The key's slot, or the empty one where it belongs; the table is never full. */
static size_t find(const nk_map *m, nk_str key, uint64_t h)
{
    size_t mask = m->cap - 1, i = h & mask;
    while (m->slots[i].key.p && !(m->slots[i].hash == h && nk_str_eq(m->slots[i].key, key)))
        i = (i + 1) & mask;
    return i;
}

static nk_map_slot *lookup(const nk_map *m, nk_str key)
{
    if (!m->n)
        return NULL;
    nk_map_slot *s = &m->slots[find(m, key, nk_hash64(key.p, key.n, seed()))];
    return s->key.p ? s : NULL;
}

void *nk_map_get(const nk_map *m, nk_str key)
{
    const nk_map_slot *s = lookup(m, key);
    return s ? s->value : NULL;
}

bool nk_map_has(const nk_map *m, nk_str key)
{
    return lookup(m, key) != NULL;
}

static nk_code grow(nk_map *m)
{
    nk_map bigger = {.cap = m->cap ? m->cap * 2 : 16, .n = m->n};
    bigger.slots = nk_calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return NK_E_NOMEM;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].key.p)
            bigger.slots[find(&bigger, m->slots[i].key, m->slots[i].hash)] = m->slots[i];
    }
    nk_free(m->slots);
    *m = bigger;
    return NK_OK;
}

nk_code nk_map_put(nk_map *m, nk_str key, void *value, void **old)
{
    if (!key.p)
        key = NK_STR("");
    if (old)
        *old = NULL;
    if (m->n * 4 >= m->cap * 3)
        NK_TRY(grow(m));
    uint64_t h = nk_hash64(key.p, key.n, seed());
    nk_map_slot *s = &m->slots[find(m, key, h)];
    if (s->key.p) {
        if (old)
            *old = s->value;
    } else {
        m->n++;
    }
    *s = (nk_map_slot){key, value, h};
    return NK_OK;
}

void *nk_map_del(nk_map *m, nk_str key)
{
    nk_map_slot *s = lookup(m, key);
    if (!s)
        return NULL;
    void *value = s->value;
    size_t mask = m->cap - 1, hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].key.p; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (nk_map_slot){0};
    m->n--;
    return value;
}

bool nk_map_next(const nk_map *m, size_t *i, nk_map_slot **slot)
{
    while (*i < m->cap) {
        nk_map_slot *s = &m->slots[(*i)++];
        if (s->key.p) {
            *slot = s;
            return true;
        }
    }
    return false;
}
