/* The low-level SHA-256 calls are the fast ones: EVP fetches its algorithm anew for every digest.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

static inline uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* 64 x 64 -> 128 bits, folded: every input bit reaches every output bit. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t nk_hash64(const void *data, size_t n, uint64_t seed)
{
    const uint64_t k1 = 0x9e3779b97f4a7c15u, k2 = 0xd6e8feb86659fd93u, k3 = 0xc2b2ae3d27d4eb4fu;
    const unsigned char *p = data;
    uint64_t h = fold(seed ^ k1, (uint64_t)n ^ k2);
    size_t left = n;
    for (; left > 16; p += 16, left -= 16)
        h = fold(load64(p) ^ k1 ^ h, load64(p + 8) ^ k2) + (h << 1);
    uint64_t a = 0, b = 0;
    if (left >= 8) {
        a = load64(p);
        b = load64(p + left - 8);
    } else {
        for (size_t i = 0; i < left; i++)
            a = a << 8 | p[i];
        b = (uint64_t)left;
    }
    return fold(fold(a ^ k3, b ^ h ^ k2) ^ k1, h ^ k3);
}

void nk_sha256(const void *p, size_t n, uint8_t out[32])
{
    SHA256(n ? p : (const void *)"", n, out);
}

void nk_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[b[i] >> 4];
        *out++ = digits[b[i] & 15];
    }
    *out = 0;
}

void nk_sha256_hex(const void *p, size_t n, char out[65])
{
    uint8_t raw[32];
    nk_sha256(p, n, raw);
    nk_hex(raw, sizeof raw, out);
}

void nk_hmac_sha256(const void *key, size_t keylen, const void *p, size_t n, uint8_t out[32])
{
    uint8_t k[64] = {0}, inner[32];
    if (keylen > sizeof k)
        nk_sha256(key, keylen, k);
    else if (keylen)
        memcpy(k, key, keylen);
    SHA256_CTX c;
    uint8_t pad[64];
    for (size_t i = 0; i < 64; i++)
        pad[i] = k[i] ^ 0x36;
    SHA256_Init(&c);
    SHA256_Update(&c, pad, sizeof pad);
    if (n)
        SHA256_Update(&c, p, n);
    SHA256_Final(inner, &c);
    for (size_t i = 0; i < 64; i++)
        pad[i] = k[i] ^ 0x5c;
    SHA256_Init(&c);
    SHA256_Update(&c, pad, sizeof pad);
    SHA256_Update(&c, inner, sizeof inner);
    SHA256_Final(out, &c);
    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(pad, sizeof pad);
}

bool nk_equal_ct(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

nk_str nk_base64_encode(nk_arena *a, nk_str s)
{
    if (s.n > SIZE_MAX / 2)
        return NK_STR_NULL;
    size_t n = (s.n + 2) / 3 * 4;
    char *out = nk_arena_bytes(a, n + 1), *q = out;
    if (!out)
        return NK_STR_NULL;
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        *q++ = b64[v >> 18];
        *q++ = b64[v >> 12 & 63];
        *q++ = left > 1 ? b64[v >> 6 & 63] : '=';
        *q++ = left > 2 ? b64[v & 63] : '=';
    }
    *q = 0;
    return (nk_str){out, n};
}

static int b64_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

nk_code nk_base64_decode(nk_arena *a, nk_str s, nk_str *out)
{
    if (s.n % 4)
        return NK_E_PARSE;
    char *buf = nk_arena_bytes(a, s.n / 4 * 3 + 1), *q = buf;
    if (!buf)
        return NK_E_NOMEM;
    for (size_t i = 0; i < s.n; i += 4) {
        size_t pad = 0;
        if (i + 4 == s.n)
            pad = s.p[i + 3] != '=' ? 0 : s.p[i + 2] != '=' ? 1 : 2;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k >= 4 - pad ? 0 : b64_value(s.p[i + k]);
            if (d < 0)
                return NK_E_PARSE;
            v = v << 6 | (uint32_t)d;
        }
        if ((pad == 2 && (v & 0xffff)) || (pad == 1 && (v & 0xff)))
            return NK_E_PARSE; /* bits that encode nothing */
        *q++ = (char)(v >> 16);
        if (pad < 2)
            *q++ = (char)(v >> 8);
        if (pad < 1)
            *q++ = (char)v;
    }
    *q = 0;
    *out = (nk_str){buf, (size_t)(q - buf)};
    return NK_OK;
}
