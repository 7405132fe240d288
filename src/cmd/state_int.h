/* DIR: what a server keeps for its clients and for other subcommands. */
#ifndef NK_STATE_INT_H
#define NK_STATE_INT_H

#include "cmd/cmd.h"

/* dir NULL = $NIKAWA_DATA, else ./nikawa-data. Absolute, in the arena; need not exist. */
nk_code nk_state_dir(const char *dir, nk_arena *a, const char **out, nk_err *err) NK_MUST;
/* One server a DIR: holds DIR/lock as long as *fd is open. NK_E_EXISTS names the other's pid. */
nk_code nk_state_lock(const char *dir, int *fd, nk_err *err) NK_MUST;
/* A key of DIR/credentials' profile; NULL when the file or the key is not there. */
const char *nk_state_credential(const char *dir, const char *profile, const char *key, nk_arena *a);
/* Writes credentials (0600), or config, or server.json. */
nk_code nk_state_write_credentials(const nk_cmd_server *s, nk_err *err) NK_MUST;
nk_code nk_state_write_config(const nk_cmd_server *s, nk_err *err) NK_MUST;
nk_code nk_state_write_server(const nk_cmd_server *s, nk_err *err) NK_MUST;
void nk_state_remove_server(const char *dir);

#endif
