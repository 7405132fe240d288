/* OAuth 2 for the Iceberg REST door: client credentials are the key pair, the token vouches for it
 * until it expires and needs no memory of ours: KEY.EXPIRY.MAC, the MAC by the pair's secret. */
#include <stdio.h>

#include "api/iceberg_int.h"

#define LIFE_S 3600

static void mac(const char *secret, nk_str key, nk_str expiry, char out[65])
{
    char text[NK_KEY_ID_MAX + 128];
    uint8_t m[32];
    int n = snprintf(text, sizeof text, "nikawa iceberg token 1\n%.*s\n%.*s",
                     key.n > NK_KEY_ID_MAX ? NK_KEY_ID_MAX : (int)key.n, key.p,
                     expiry.n > 20 ? 20 : (int)expiry.n, expiry.p);
    nk_hmac_sha256(secret, strlen(secret), text, (size_t)n, m);
    nk_hex(m, sizeof m, out);
}

nk_code nk_ice_token_check(nk_api *api, nk_str token, nk_arena *a, nk_str *access_key, nk_err *err)
{
    char secret[NK_KEY_SECRET_MAX + 1], want[65];
    ptrdiff_t last = nk_str_rchr(token, '.');
    nk_str head = last > 0 ? nk_str_sub(token, 0, (size_t)last) : NK_STR("");
    ptrdiff_t dot = nk_str_rchr(head, '.');
    int64_t until;
    if (dot <= 0 || dot > NK_KEY_ID_MAX)
        return nk_ice_fail(err, NK_ICE_NOT_AUTHORIZED, "The bearer token is not one of ours.");
    nk_str key = nk_str_sub(head, 0, (size_t)dot),
           expiry = nk_str_sub(head, (size_t)dot + 1, head.n),
           given = nk_str_sub(token, (size_t)last + 1, token.n);
    if (given.n != 64 || !nk_str_i64(expiry, &until) ||
        nk_keys_secret(api->keys, key, secret, NULL) != NK_OK)
        return nk_ice_fail(err, NK_ICE_NOT_AUTHORIZED, "The bearer token is not one of ours.");
    mac(secret, key, expiry, want);
    if (!nk_equal_ct(want, given.p, 64))
        return nk_ice_fail(err, NK_ICE_NOT_AUTHORIZED, "The bearer token is not one of ours.");
    if (nk_now_us(api->app->env) / 1000000 >= until)
        return nk_ice_fail(err, NK_ICE_EXPIRED, "The bearer token has expired.");
    *access_key = nk_str_dup(a, key);
    return access_key->p ? NK_OK : nk_fail(err, NK_E_NOMEM, "out of memory");
}

static void refuse(nk_http_req *req, unsigned *status, unsigned code, const char *error,
                   const char *text)
{
    nk_json_writer w = {.buf = &req->out};
    *status = code;
    nk_jw_object(&w);
    nk_jw_kcstr(&w, "error", error);
    nk_jw_kcstr(&w, "error_description", text);
    nk_jw_object_end(&w);
}

static void give(nk_api *api, nk_http_req *req, nk_str key, const char *secret)
{
    char sum[65];
    nk_json_writer w = {.buf = &req->out};
    nk_str expiry =
        nk_str_printf(req->arena, "%lld", (long long)(nk_now_us(api->app->env) / 1000000 + LIFE_S));
    mac(secret, key, expiry, sum);
    nk_jw_object(&w);
    nk_jw_kstr(&w, "access_token",
               nk_str_printf(req->arena, "%.*s.%.*s.%s", NK_STR_ARG(key), NK_STR_ARG(expiry), sum));
    nk_jw_kcstr(&w, "token_type", "bearer");
    nk_jw_ki64(&w, "expires_in", LIFE_S);
    nk_jw_kcstr(&w, "issued_token_type", "urn:ietf:params:oauth:token-type:access_token");
    nk_jw_kcstr(&w, "scope", "catalog");
    nk_jw_object_end(&w);
}

/* The id and secret of an Authorization: Basic header. */
static void basic(nk_http_req *req, nk_str *id, nk_str *secret)
{
    nk_str h = nk_http_header(req, "authorization"), raw;
    if (h.n < 6 || !nk_str_ieq(nk_str_sub(h, 0, 6), NK_STR("Basic ")) ||
        nk_base64_decode(req->arena, nk_str_trim(nk_str_sub(h, 6, h.n)), &raw) != NK_OK)
        return;
    ptrdiff_t colon = nk_str_chr(raw, ':');
    if (colon < 0)
        return;
    *id = nk_str_sub(raw, 0, (size_t)colon);
    *secret = nk_str_sub(raw, (size_t)colon + 1, raw.n);
}

void nk_ice_token_give(nk_api *api, nk_http_req *req, unsigned *status)
{
    char secret[NK_KEY_SECRET_MAX + 1];
    nk_str grant = nk_query_param(req->body, "grant_type", req->arena),
           id = nk_query_param(req->body, "client_id", req->arena),
           password = nk_query_param(req->body, "client_secret", req->arena);
    *status = 200;
    if (nk_str_is(grant, "urn:ietf:params:oauth:grant-type:token-exchange")) {
        nk_str token = nk_query_param(req->body, "subject_token", req->arena);
        if (token.p && nk_ice_token_check(api, token, req->arena, &id, NULL) == NK_OK &&
            nk_keys_secret(api->keys, id, secret, NULL) == NK_OK)
            give(api, req, id, secret);
        else
            refuse(req, status, 401, "invalid_grant", "The subject token is not one of ours");
        return;
    }
    if (!nk_str_is(grant, "client_credentials")) {
        refuse(req, status, 400, "unsupported_grant_type",
               "grant_type must be client_credentials or token-exchange");
        return;
    }
    if (!id.n)
        basic(req, &id, &password);
    bool known = id.n && nk_keys_secret(api->keys, id, secret, NULL) == NK_OK;
    if (known && password.n == strlen(secret) && nk_equal_ct(secret, password.p, password.n))
        give(api, req, id, secret);
    else
        refuse(req, status, 401, "invalid_client",
               "client_id and client_secret must be a key pair of this server");
}
