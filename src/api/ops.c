/* What we answer: ops.def as a table, found by the model's operation numbers. */
#include "api/api_int.h"
#include "iceberg/iceberg.h"
#include "catalog/catalog.h"
#include "model/glue_handlers.h"
#include "registry/registry.h"
#include "model/sts_handlers.h"

/* A handler takes its own structs; the table wants one type. */
#define NK_OP(service, name, mode)                                                                 \
    static nk_code run_##service##_##name(nk_call *call, const void *in, void *out)                \
    {                                                                                              \
        return service##_##name(call, in, out);                                                    \
    }
#define NK_OP_OR_SLOW(service, name, mode, when, run) NK_OP(service, name, mode)
#include "api/ops.def"
#undef NK_OP
#undef NK_OP_OR_SLOW

static const nk_api_op ops[] = {
#define NK_OP(service, name, mode)                                                                 \
    {#service, #name, NK_OP_##mode, run_##service##_##name, NULL, NULL},
#define NK_OP_OR_SLOW(service, name, mode, when, run)                                              \
    {#service, #name, NK_OP_##mode, run_##service##_##name, when, run},
#include "api/ops.def"
#undef NK_OP
#undef NK_OP_OR_SLOW
};

static int service_number(const char *name)
{
    size_t n;
    const nk_service *const *services = nk_model_services(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(services[i]->name, name) == 0)
            return (int)i;
    return -1;
}

nk_code nk_api_index_ops(nk_api *api, nk_err *err)
{
    const nk_service *const *services = nk_model_services(&api->nservices);
    if (api->nservices > NK_COUNTOF(api->by_number))
        return nk_fail(err, NK_E_INTERNAL, "more services than places");
    for (size_t i = 0; i < api->nservices; i++) {
        api->by_number[i] = nk_calloc(services[i]->n_ops, sizeof api->by_number[i][0]);
        if (!api->by_number[i])
            return nk_fail(err, NK_E_NOMEM, "no memory for the table of operations");
    }
    for (size_t i = 0; i < NK_COUNTOF(ops); i++) {
        const nk_op *op = nk_model_find_op(nk_str_c(ops[i].service), nk_str_c(ops[i].name));
        if (!op)
            return nk_fail(err, NK_E_INTERNAL, "ops.def names %s.%s, which the model lacks",
                           ops[i].service, ops[i].name);
        const nk_api_op **place = &api->by_number[service_number(op->service)][op->number];
        if (*place)
            return nk_fail(err, NK_E_INTERNAL, "ops.def names %s.%s twice", ops[i].service,
                           ops[i].name);
        *place = &ops[i];
    }
    return NK_OK;
}

void nk_api_free_ops(nk_api *api)
{
    for (size_t i = 0; i < NK_COUNTOF(api->by_number); i++) {
        nk_free(api->by_number[i]);
        api->by_number[i] = NULL;
    }
}

const nk_api_op *nk_api_entry(const nk_api *api, const nk_op *op)
{
    int service = service_number(op->service);
    return service < 0 ? NULL : api->by_number[service][op->number];
}

const nk_own_op *nk_api_own(nk_str name)
{
    static const nk_own_op own[] = {
        {"History", NK_OP_READ, nk_catalog_history},
        {"Undo", NK_OP_WRITE, nk_catalog_undo},
        {"SchemaLinks", NK_OP_READ, nk_registry_links},
    };
    for (size_t i = 0; i < NK_COUNTOF(own); i++)
        if (nk_str_is(name, own[i].name))
            return &own[i];
    return NULL;
}
