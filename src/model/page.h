/* Page tokens: where a listing goes on, bound to the request that began it. Opaque to clients, the
 * same after a restart, refused when tampered with or sent with another request. */
#ifndef NK_PAGE_H
#define NK_PAGE_H

#include "model/call.h"

/* place: what the handler needs to go on (at most 64 KiB); request: everything that makes it this
 * listing (filters, names, not MaxResults). The operation, region and account are bound in besides.
 */
nk_code nk_page_token(const nk_call *call, nk_str request, nk_str place, nk_str *token) NK_MUST;
/* place->p NULL when token is absent or empty. NK_E_INVALID in AWS's words when the token is not
 * one of ours for this request. */
nk_code nk_page_open(const nk_call *call, nk_str request, nk_str token, nk_str *place) NK_MUST;

#endif
