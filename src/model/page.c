/* Page tokens: base64 of a MAC and the place it vouches for. */
#include "model/page.h"

enum { MAC = 16 };

static nk_code mac(const nk_call *call, nk_str request, nk_str place, uint8_t out[32])
{
    const char *secret = call->app && call->app->settings ? call->app->settings->secret_key : NULL;
    const nk_str parts[] = {NK_STR("nikawa page token 1"),
                            call->operation,
                            call->region,
                            call->account_id,
                            request,
                            place};
    nk_buf b;
    nk_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < NK_COUNTOF(parts); i++) {
        uint64_t n = parts[i].n;
        nk_buf_add(&b, &n, sizeof(n)); /* lengths, so that no two requests run together */
        nk_buf_str(&b, parts[i]);
    }
    nk_code rc = nk_buf_check(&b, call->err);
    if (rc == NK_OK)
        nk_hmac_sha256(secret ? secret : "", secret ? strlen(secret) : 0, b.p, b.n, out);
    nk_buf_free(&b);
    return rc;
}

nk_code nk_page_token(const nk_call *call, nk_str request, nk_str place, nk_str *token)
{
    uint8_t m[32];
    NK_TRY(mac(call, request, place, m));
    nk_str raw = nk_str_cat(call->arena, nk_str_n((const char *)m, MAC), place);
    *token = raw.p ? nk_base64_encode(call->arena, raw) : NK_STR_NULL;
    return token->p ? NK_OK : nk_fail(call->err, NK_E_NOMEM, "out of memory");
}

nk_code nk_page_open(const nk_call *call, nk_str request, nk_str token, nk_str *place)
{
    uint8_t m[32];
    nk_str raw;
    *place = NK_STR_NULL;
    if (!token.n)
        return NK_OK;
    if (token.n > 90000 || nk_base64_decode(call->arena, token, &raw) != NK_OK || raw.n < MAC)
        return nk_fail(call->err, NK_E_INVALID,
                       "Invalid NextToken: it was not given by this listing.");
    *place = nk_str_n(raw.p + MAC, raw.n - MAC);
    NK_TRY(mac(call, request, *place, m));
    if (nk_equal_ct(m, raw.p, MAC))
        return NK_OK;
    *place = NK_STR_NULL;
    return nk_fail(call->err, NK_E_INVALID, "Invalid NextToken: it was not given by this listing.");
}
