/* For check_codec.py: random requests and replies, sound and with one fault, each with the codec's
 * verdict. Lines: operation TAB in|out TAB verdict TAB JSON. The verdict is "ok" (the JSON is then
 * the codec's own text of what it read) or the message. */
#include <stdio.h>

#include "gen.h"
#include "model/glue_shapes.h"

static gen g = {.seed = 0x2545f4914f6cdd1du};

static void put(const nk_op *op, const char *side, const char *verdict, nk_str json)
{
    /* messages may hold line ends of the values they repeat */
    printf("%s\t%s\t", op->name.p, side);
    for (const char *c = verdict; *c; c++)
        putchar((unsigned char)*c < 0x20 ? ' ' : *c);
    printf("\t%.*s\n", NK_STR_ARG(json));
}

static void dump(const nk_op *op, const nk_shape *s, const char *side, nk_arena *a)
{
    nk_err err = NK_ERR_INIT;
    void *v;
    nk_str json = gen_json(&g, s), text;
    if (nk_model_decode(s, json, a, &v, &err) != NK_OK) {
        put(op, side, err.msg, json);
    } else if (nk_model_encode_str(s, v, a, &text, &err) != NK_OK) {
        put(op, side, "cannot be encoded", json);
    } else {
        put(op, side, nk_model_validate(s, v, &err) == NK_OK ? "ok" : err.msg, text);
    }
    nk_arena_reset(a);
}

/* A random member or list somewhere below s. */
static const void *somewhere(const nk_shape *s)
{
    for (;;) {
        if (s->kind == NK_KIND_STRUCT) {
            if (!s->n_members)
                return NULL;
            const nk_member *m = &s->members[gen_random(&g) % s->n_members];
            if (gen_random(&g) % 3 == 0 || m->shape->kind > NK_KIND_MAP)
                return m;
            s = m->shape;
        } else if (s->elem->kind > NK_KIND_MAP || gen_random(&g) % 3 == 0) {
            return s;
        } else {
            s = s->elem;
        }
    }
}

int main(void)
{
    nk_arena *a = nk_arena_create(0);
    nk_buf_init(&g.b, 64 << 20);
    for (int op = 0; op < glue_op_count; op++) {
        for (int i = 0; i < 25; i++) {
            g.all = i == 0;
            g.depth_max = g.all ? 2 : 1 + i % 5;
            g.at = NULL;
            dump(&glue_ops[op], glue_ops[op].input, "in", a);
            if (i < 6)
                dump(&glue_ops[op], glue_ops[op].output, "out", a);
            g.at = somewhere(glue_ops[op].input);
            g.fault = FAULT_MISSING + (gen_fault)(gen_random(&g) % (FAULT_KINDS - FAULT_MISSING));
            dump(&glue_ops[op], glue_ops[op].input, "in", a);
        }
    }
    nk_buf_free(&g.b);
    nk_arena_destroy(a);
    return 0;
}
