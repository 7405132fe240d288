/* The key pairs that may sign requests. Thread-safe. The server's own pair has no scope; pairs made
 * for a run carry its id as scope and go with it. */
#ifndef NK_KEYS_H
#define NK_KEYS_H

#include "net/sigv4.h"

typedef struct nk_keys nk_keys;

#define NK_KEY_ID_MAX     128
#define NK_KEY_SECRET_MAX 128

nk_code nk_keys_create(nk_keys **out, nk_err *err) NK_MUST;
void nk_keys_destroy(nk_keys *k);

/* All copied. token NULL = none wanted (and none accepted); scope NULL or "" = the server's own.
 * NK_E_EXISTS. */
nk_code nk_keys_add(nk_keys *k, const char *access_key, const char *secret, const char *token,
                    const char *scope, nk_err *err) NK_MUST;
/* A fresh random pair for a scope; out buffers NUL-terminated. */
nk_code nk_keys_make(nk_keys *k, const nk_env *env, const char *scope, char access_key[21],
                     char secret[41], nk_err *err) NK_MUST;
/* Pairs of a scope; requests under way end as they began. */
void nk_keys_remove_scope(nk_keys *k, const char *scope);
void nk_keys_remove(nk_keys *k, const char *access_key);

/* For the verifier: the derived key of auth (cached), the scope into scope[64].
 * NK_E_AUTH_UNKNOWN_KEY, also for a token that is missing, wrong or not called for. */
nk_code nk_keys_derive(nk_keys *k, const nk_sigv4_auth *auth, nk_sigv4_key *out, char scope[64],
                       nk_err *err) NK_MUST;
/* The secret of a key (into out, NUL-terminated), for doors that take it as a password. */
nk_code nk_keys_secret(nk_keys *k, nk_str access_key, char out[NK_KEY_SECRET_MAX + 1],
                       nk_err *err) NK_MUST;

#endif
