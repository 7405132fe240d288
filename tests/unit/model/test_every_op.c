/* Every operation of the model: random valid requests are taken and come back as they were; every
 * single constraint, broken alone, is refused with the right exception. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "gen.h"
#include "model/glue_shapes.h"

static const nk_shape *top;
static gen g = {.seed = 0x9e3779b97f4a7c15u, .depth_max = 5};

static nk_str encode(const nk_shape *s, const void *v, nk_arena *a)
{
    nk_str out = NK_STR_NULL;
    nk_err err = NK_ERR_INIT;
    if (nk_model_encode_str(s, v, a, &out, &err) != NK_OK)
        fail_msg("%s: %s", s->name, err.msg);
    return out;
}

static void round_trip(const nk_shape *s, nk_str json, nk_arena *a)
{
    nk_err err = NK_ERR_INIT;
    void *v, *again, *copy;
    if (nk_model_decode(s, json, a, &v, &err) != NK_OK || nk_model_validate(s, v, &err) != NK_OK)
        fail_msg("%s: %s (%s)\n%.*s", s->name, err.msg, err.hint, NK_STR_ARG(json));
    nk_str first = encode(s, v, a);
    assert_int_equal(nk_model_decode(s, first, a, &again, &err), NK_OK);
    nk_str second = encode(s, again, a);
    if (!nk_str_eq(first, second))
        fail_msg("%s:\n%s\n%s", s->name, first.p, second.p);
    nk_arena *other = nk_arena_create(0);
    assert_int_equal(nk_model_copy(s, v, other, &copy), NK_OK);
    /* the copy must not lean on the original */
    nk_str kept = nk_str_n(malloc(first.n + 1), first.n);
    assert_non_null(kept.p);
    memcpy((char *)kept.p, first.p, first.n);
    nk_arena_reset(a);
    assert_true(nk_str_eq(encode(s, copy, a), kept));
    free((char *)kept.p);
    nk_arena_destroy(other);
}

static void valid_requests_and_replies_are_taken(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_buf_init(&g.b, 64 << 20);
    for (int op = 0; op < glue_op_count; op++) {
        const nk_shape *shapes[] = {glue_ops[op].input, glue_ops[op].output};
        for (size_t k = 0; k < NK_COUNTOF(shapes); k++) {
            for (int i = 0; i < 12; i++) {
                g.all = i == 0;
                g.depth_max = g.all ? 4 : 2 + i % 5;
                g.at = NULL;
                nk_str json = gen_json(&g, shapes[k]);
                assert_false(g.b.failed);
                round_trip(shapes[k], json, a);
                nk_arena_reset(a);
            }
        }
    }
    nk_buf_free(&g.b);
    nk_arena_destroy(a);
}

/* ---- one fault at a time ---- */

static nk_map seen; /* shapes visited: each is a key by its name */
static size_t tried, put[FAULT_KINDS];

static const char *const names[] = {"none",  "type", "missing", "null element",
                                    "short", "long", "enum",    "pattern"};

static void break_at(const nk_shape *in, const void *at, const char *what, nk_arena *a)
{
    for (gen_fault f = FAULT_TYPE; f < FAULT_KINDS; f++) {
        g.at = at;
        g.fault = f;
        nk_str json = gen_json(&g, in);
        if (!g.visited)
            fail_msg("%s: %s was not reached", in->name, what);
        tried++;
        if (!g.done)
            continue;
        put[f]++;
        nk_err err = NK_ERR_INIT;
        void *v;
        nk_code rc = nk_model_decode(in, json, a, &v, &err);
        if (f == FAULT_TYPE) {
            if (rc != NK_E_SERIALIZATION || !err.hint[0])
                fail_msg("%s: %s took a wrong type", in->name, what);
        } else {
            assert_int_equal(rc, NK_OK);
            rc = nk_model_validate(in, v, &err);
            if (rc != NK_E_VALIDATION)
                fail_msg("%s: %s (%s) was not refused:\n%.*s", in->name, what, names[f],
                         NK_STR_ARG(json));
            if (!strstr(err.msg, " validation error") ||
                !strstr(err.msg, "failed to satisfy constraint"))
                fail_msg("%s: %s: odd message: %s", in->name, what, err.msg);
            assert_true(nk_utf8_valid(nk_str_c(err.msg)));
            assert_string_equal(nk_code_aws(rc), "ValidationException");
        }
        nk_arena_reset(a);
    }
}

/* A generator that reaches `at` must include the members on the way: a path of shapes is enough,
 * since `all` includes every member down to depth_max. */
static void walk(const nk_shape *s, int depth, nk_arena *a)
{
    if (nk_map_has(&seen, nk_str_c(s->name)))
        return;
    assert_int_equal(nk_map_put(&seen, nk_str_c(s->name), &seen, NULL), NK_OK);
    g.depth_max = depth + 1;
    if (s->kind == NK_KIND_LIST || s->kind == NK_KIND_MAP)
        break_at(top, s, s->name, a);
    for (size_t i = 0; s->kind == NK_KIND_STRUCT && i < s->n_members; i++) {
        g.depth_max = depth + 1;
        break_at(top, &s->members[i], s->members[i].name.p, a);
    }
    if (s->elem)
        walk(s->elem, depth + 1, a);
    for (size_t i = 0; s->kind == NK_KIND_STRUCT && i < s->n_members; i++)
        walk(s->members[i].shape, depth + 1, a);
}

static void every_constraint_is_kept(void **state)
{
    nk_arena *a = nk_arena_create(0);
    nk_buf_init(&g.b, 64 << 20);
    nk_map_init(&seen);
    g.all = true;
    for (int op = 0; op < glue_op_count; op++) {
        top = glue_ops[op].input;
        walk(top, 0, a);
    }
    print_message("# %zu places, refused:", tried / (FAULT_KINDS - 1));
    for (gen_fault f = FAULT_TYPE; f < FAULT_KINDS; f++)
        print_message(" %zu %s", put[f], names[f]);
    print_message("\n");
    assert_true(put[FAULT_TYPE] > 1500 && put[FAULT_MISSING] > 400 && put[FAULT_PATTERN] > 500 &&
                put[FAULT_LONG] > 1000 && put[FAULT_ENUM] > 100 && put[FAULT_NULL_ELEM] > 100);
    nk_map_free(&seen);
    nk_buf_free(&g.b);
    nk_arena_destroy(a);
}

static void every_name_is_found(void **state)
{
    for (int op = 0; op < glue_op_count; op++) {
        const nk_op *o = nk_model_find_op(NK_STR("glue"), glue_ops[op].name);
        assert_ptr_equal(o, &glue_ops[op]);
        for (size_t i = 0; i < o->input->n_members; i++)
            assert_ptr_equal(nk_model_member(o->input, o->input->members[i].wire),
                             &o->input->members[i]);
        assert_null(nk_model_member(o->input, NK_STR("NoSuchMember")));
    }
    assert_null(nk_model_find_op(NK_STR("glue"), NK_STR("GetTableX")));
    assert_null(nk_model_find_op(NK_STR("glue"), NK_STR("")));
    assert_null(nk_model_find_op(NK_STR("s3"), NK_STR("GetTable")));
    assert_true(nk_model_op_throws(&glue_ops[glue_op_GetTable], "EntityNotFoundException"));
    assert_false(nk_model_op_throws(&glue_ops[glue_op_GetTable], "AlreadyExistsException"));
    assert_non_null(nk_model_find_op(NK_STR("sts"), NK_STR("GetCallerIdentity")));
}

/* Decode, validate and encode with the k-th allocation failing, for every k. */
static void every_failed_allocation_is_told(void **state)
{
    static const int ops[] = {glue_op_CreateTable, glue_op_BatchCreatePartition, glue_op_CreateJob,
                              glue_op_CreateCrawler, glue_op_GetTables};
    nk_buf_init(&g.b, 64 << 20);
    g.all = true;
    g.at = NULL;
    g.depth_max = 3;
    for (size_t i = 0; i < NK_COUNTOF(ops); i++) {
        const nk_shape *s = glue_ops[ops[i]].input;
        nk_str json = gen_json(&g, s);
        for (size_t k = 1;; k += k < 200 ? 1 : 7) {
            nk_arena *a = nk_arena_create(0);
            nk_err err = NK_ERR_INIT;
            void *v = NULL, *copy;
            nk_str out;
            assert_non_null(a);
            (void)nk_fault_alloc(k);
            nk_code rc = nk_model_decode(s, json, a, &v, &err);
            if (rc == NK_OK)
                rc = nk_model_validate(s, v, &err);
            if (rc == NK_OK)
                rc = nk_model_encode_str(s, v, a, &out, &err);
            if (rc == NK_OK)
                rc = nk_model_copy(s, v, a, &copy);
            bool beyond = nk_fault_alloc(0) < k;
            nk_arena_destroy(a);
            if (rc != (beyond ? NK_OK : NK_E_NOMEM))
                fail_msg("%s: allocation %zu: %s %s", s->name, k, nk_code_name(rc), err.msg);
            if (beyond)
                break;
        }
    }
    nk_buf_free(&g.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_requests_and_replies_are_taken),
        cmocka_unit_test(every_constraint_is_kept),
        cmocka_unit_test(every_name_is_found),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests_name("model_every_op", tests, NULL, NULL);
}
