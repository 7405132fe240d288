/* Sealing: authenticated encryption of small secrets at rest (AES-256-GCM) under a key that lies in
 * a file. */
#ifndef NK_SEAL_H
#define NK_SEAL_H

#include "base/base.h"

typedef struct nk_seal_key {
    uint8_t k[32];
} nk_seal_key;

/* Reads the key, making the file (0600) when there is none. path NULL: a key for this process only.
 */
nk_code nk_seal_key_load(const char *path, nk_seal_key *out, nk_err *err) NK_MUST;
/* Nonce, text and tag as bytes in the arena. context is bound in: what is sealed in one place does
 * not open in another. */
nk_code nk_seal(const nk_seal_key *key, nk_str context, nk_str plain, nk_arena *a, nk_str *out,
                nk_err *err) NK_MUST;
/* NK_E_INVALID when it was not sealed with this key and context. */
nk_code nk_unseal(const nk_seal_key *key, nk_str context, nk_str sealed, nk_arena *a, nk_str *out,
                  nk_err *err) NK_MUST;

#endif
