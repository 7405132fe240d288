/* For tests whose values live in an arena that each test has anew: include it after cmocka. */
#ifndef NK_TEST_ARENA_H
#define NK_TEST_ARENA_H

#include "base/arena.h"

static nk_arena *arena;

static int setup(void **state)
{
    arena = nk_arena_create(0);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    nk_arena_destroy(arena);
    return 0;
}

#endif
