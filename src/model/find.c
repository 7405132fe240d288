/* Look-ups by name, and the few operations on values that handlers share. */
#include "model/glue_shapes.h"
#include "model/model.h"
#include "model/sts_shapes.h"

static const nk_service *const services[] = {&glue_service, &sts_service};

const nk_service *const *nk_model_services(size_t *n)
{
    *n = NK_COUNTOF(services);
    return services;
}

const nk_service *nk_model_service(nk_str name)
{
    for (size_t i = 0; i < NK_COUNTOF(services); i++) {
        if (nk_str_is(name, services[i]->name))
            return services[i];
    }
    return NULL;
}

/* As name_hash() in api/generate.py. */
static inline uint32_t name_hash(nk_str s)
{
    uint64_t a = 0, b = 0;
    if (s.n >= 8) {
        memcpy(&a, s.p, 8);
        memcpy(&b, s.p + s.n - 8, 8);
    } else {
        for (size_t i = s.n; i-- > 0;)
            a = a << 8 | (unsigned char)s.p[i];
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (s.n >= 8) {
        a = __builtin_bswap64(a);
        b = __builtin_bswap64(b);
    }
#endif
    uint64_t h = a * 0x9e3779b97f4a7c15u ^ b * 0xc2b2ae3d27d4eb4fu ^ s.n * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    return (uint32_t)(h * 0x9e3779b97f4a7c15u >> 40);
}

const nk_member *nk_model_member(const nk_shape *shape, nk_str wire_name)
{
    if (!shape->index)
        return NULL;
    for (uint32_t at = name_hash(wire_name);; at++) {
        uint16_t i = shape->index[at & shape->index_mask];
        if (!i)
            return NULL;
        if (nk_str_eq(shape->members[i - 1].wire, wire_name))
            return &shape->members[i - 1];
    }
}

const nk_op *nk_model_find_op(nk_str service, nk_str name)
{
    const nk_service *s = nk_model_service(service);
    if (!s)
        return NULL;
    for (uint32_t at = name_hash(name);; at++) {
        uint16_t i = s->index[at & s->index_mask];
        if (!i)
            return NULL;
        if (nk_str_eq(s->ops[i - 1].name, name))
            return &s->ops[i - 1];
    }
}

bool nk_model_op_throws(const nk_op *op, const char *exception)
{
    for (size_t i = 0; i < op->n_errors; i++) {
        if (strcmp(op->errors[i]->name, exception) == 0)
            return true;
    }
    return false;
}

static nk_pair *find_pair(const nk_map_str *m, nk_str key)
{
    for (size_t i = m->n; i-- > 0;) {
        if (nk_str_eq(m->v[i].key, key))
            return &m->v[i];
    }
    return NULL;
}

nk_str nk_map_str_get(const nk_map_str *m, const char *key)
{
    const nk_pair *p = find_pair(m, nk_str_c(key));
    return p ? p->value : NK_STR_NULL;
}

nk_code nk_map_str_put(nk_map_str *m, nk_arena *a, nk_str key, nk_str value)
{
    nk_pair *p = find_pair(m, key);
    if (!p) {
        nk_pair *v = NK_NEWN(a, nk_pair, m->n + 1); /* maps are short and rarely grow */
        if (!v)
            return NK_E_NOMEM;
        if (m->n)
            memcpy(v, m->v, m->n * sizeof *v);
        m->v = v;
        p = &v[m->n++];
        p->key = key;
    }
    p->value = value;
    m->set = true;
    return NK_OK;
}

void nk_map_str_del(nk_map_str *m, const char *key)
{
    for (size_t i = 0; i < m->n;) {
        if (nk_str_is(m->v[i].key, key)) {
            memmove(&m->v[i], &m->v[i + 1], (m->n - i - 1) * sizeof *m->v);
            m->n--;
        } else {
            i++;
        }
    }
}
