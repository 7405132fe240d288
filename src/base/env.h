/* nk_env: clock and randomness behind pointers, so that tests can turn time and fix chance. */
#ifndef NK_ENV_H
#define NK_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct nk_env {
    int64_t (*now_us)(void *arg);  /* wall clock, microseconds since 1970 UTC */
    int64_t (*mono_us)(void *arg); /* monotonic */
    nk_code (*random)(void *arg, void *out, size_t n);
    void *arg;
} nk_env;

/* The real world (static). */
const nk_env *nk_env_real(void);
static inline int64_t nk_now_us(const nk_env *e)
{
    return e->now_us(e->arg);
}
static inline int64_t nk_mono_us(const nk_env *e)
{
    return e->mono_us(e->arg);
}
/* n random bytes as 2n lower-case hex digits and a NUL (out: 2n+1 bytes). */
nk_code nk_random_hex(const nk_env *e, char *out, size_t n) NK_MUST;
/* A version-4 UUID, 36 characters and a NUL. */
nk_code nk_uuid(const nk_env *e, char out[37]) NK_MUST;

/* Civil time, proleptic Gregorian, UTC. */
typedef struct nk_civil {
    int year, month, day, hour, minute, second, usec, weekday /* 0 = Sunday */;
} nk_civil;
nk_civil nk_civil_from_us(int64_t us);
int64_t nk_civil_to_us(const nk_civil *c);

#endif
