#include "base/seal.h"

#include <openssl/evp.h>
#include <sys/stat.h>

enum { NONCE = 12, TAG = 16 };

static nk_code random_bytes(void *p, size_t n, nk_err *err)
{
    const nk_env *env = nk_env_real();
    nk_code rc = env->random(env->arg, p, n);
    return rc == NK_OK ? rc : nk_fail(err, rc, "there is no randomness to be had");
}

nk_code nk_seal_key_load(const char *path, nk_seal_key *out, nk_err *err)
{
    nk_str text;
    if (!path)
        return random_bytes(out->k, sizeof out->k, err);
    nk_arena *a = nk_arena_create(4096);
    if (!a)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    nk_code rc = nk_file_read(path, 64, a, &text, NULL);
    if (rc == NK_E_NOT_FOUND) {
        rc = random_bytes(out->k, sizeof out->k, err);
        if (rc == NK_OK)
            rc = nk_file_write(path, nk_str_n((const char *)out->k, sizeof out->k), 0600, err);
    } else if (rc != NK_OK || text.n != sizeof out->k) {
        rc = nk_fail(err, NK_E_INVALID, "%s is no key of %zu bytes", path, sizeof out->k);
        (void)nk_hint(err, "Put back the file that the sealed records were made with.");
    } else {
        memcpy(out->k, text.p, sizeof out->k);
    }
    nk_arena_destroy(a);
    return rc;
}

nk_code nk_seal(const nk_seal_key *key, nk_str context, nk_str plain, nk_arena *a, nk_str *out,
                nk_err *err)
{
    int n = 0, m = 0;
    if (plain.n > (size_t)1 << 24 || context.n > 65536)
        return nk_fail(err, NK_E_LIMIT, "too long to be sealed");
    unsigned char *p = (unsigned char *)nk_arena_bytes(a, NONCE + plain.n + TAG);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!p || !c) {
        EVP_CIPHER_CTX_free(c);
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    nk_code rc = random_bytes(p, NONCE, err);
    bool ok =
        rc == NK_OK && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->k, p) == 1 &&
        EVP_EncryptUpdate(c, NULL, &n, (const unsigned char *)context.p, (int)context.n) == 1 &&
        EVP_EncryptUpdate(c, p + NONCE, &n, (const unsigned char *)plain.p, (int)plain.n) == 1 &&
        EVP_EncryptFinal_ex(c, p + NONCE + n, &m) == 1 &&
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, p + NONCE + plain.n) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!ok)
        return rc != NK_OK ? rc : nk_fail(err, NK_E_INTERNAL, "encryption failed");
    *out = nk_str_n((const char *)p, NONCE + plain.n + TAG);
    return NK_OK;
}

nk_code nk_unseal(const nk_seal_key *key, nk_str context, nk_str sealed, nk_arena *a, nk_str *out,
                  nk_err *err)
{
    int n = 0, m = 0;
    if (sealed.n < NONCE + TAG || sealed.n > (size_t)1 << 25 || context.n > 65536)
        return nk_fail(err, NK_E_INVALID, "no sealed text");
    size_t len = sealed.n - NONCE - TAG;
    const unsigned char *p = (const unsigned char *)sealed.p;
    unsigned char tag[TAG], *text = (unsigned char *)nk_arena_bytes(a, len + 1);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!text || !c) {
        EVP_CIPHER_CTX_free(c);
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    }
    memcpy(tag, p + NONCE + len, TAG);
    bool ok =
        EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->k, p) == 1 &&
        EVP_DecryptUpdate(c, NULL, &n, (const unsigned char *)context.p, (int)context.n) == 1 &&
        EVP_DecryptUpdate(c, text, &n, p + NONCE, (int)len) == 1 &&
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
        EVP_DecryptFinal_ex(c, text + n, &m) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!ok)
        return nk_fail(err, NK_E_INVALID, "a sealed record does not open: the key is another");
    text[len] = 0;
    *out = nk_str_n((const char *)text, len);
    return NK_OK;
}
