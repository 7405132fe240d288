/* STS: who am I. Every client asks it sooner or later. */
#include "model/sts_handlers.h"

nk_code sts_GetCallerIdentity(nk_call *call, const sts_GetCallerIdentityRequest *in,
                              sts_GetCallerIdentityResponse *out)
{
    out->Account = call->account_id;
    out->UserId = call->account_id;
    out->Arn = nk_str_printf(call->arena, "arn:aws:iam::%.*s:root", NK_STR_ARG(call->account_id));
    return out->Arn.p ? NK_OK : nk_fail(call->err, NK_E_NOMEM, "no memory");
}
