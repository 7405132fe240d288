/* Hashes: SHA-256 and HMAC (OpenSSL), and a fast seeded 64-bit hash of our own for tables. */
#ifndef NK_HASH_H
#define NK_HASH_H

#include "base/str.h"

uint64_t nk_hash64(const void *p, size_t n, uint64_t seed);
void nk_sha256(const void *p, size_t n, uint8_t out[32]);
void nk_sha256_hex(const void *p, size_t n, char out[65]);
void nk_hmac_sha256(const void *key, size_t keylen, const void *p, size_t n, uint8_t out[32]);
void nk_hex(const void *p, size_t n, char *out); /* 2n+1 bytes */
/* Constant-time comparison. */
bool nk_equal_ct(const void *a, const void *b, size_t n);
/* Standard base64 with padding; decode rejects anything else. */
nk_str nk_base64_encode(nk_arena *a, nk_str s);
nk_code nk_base64_decode(nk_arena *a, nk_str s, nk_str *out) NK_MUST;

#endif
