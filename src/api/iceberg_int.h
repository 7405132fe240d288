/* Inside the Iceberg REST door. */
#ifndef NK_API_ICEBERG_INT_H
#define NK_API_ICEBERG_INT_H

#include "api/api_int.h"
#include "iceberg/iceberg.h"

/* POST /v1/oauth/tokens: the answer, errors in OAuth's own form, into req->out; *status. */
void nk_ice_token_give(nk_api *api, nk_http_req *req, unsigned *status);
/* Whose bearer token it is. NK_ICE_NOT_AUTHORIZED, NK_ICE_EXPIRED. */
nk_code nk_ice_token_check(nk_api *api, nk_str token, nk_arena *a, nk_str *access_key,
                           nk_err *err) NK_MUST;

#endif
