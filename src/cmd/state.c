#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "cmd/state_int.h"

#define FILE_MAX ((size_t)64 << 10)

nk_code nk_state_dir(const char *dir, nk_arena *a, const char **out, nk_err *err)
{
    char cwd[4096];
    if (!dir || !*dir)
        dir = getenv("NIKAWA_DATA");
    if (!dir || !*dir)
        dir = "nikawa-data";
    char *abs;
    if (dir[0] == '/') {
        abs = nk_arena_strdup(a, dir);
    } else {
        if (!getcwd(cwd, sizeof cwd))
            return nk_fail_errno(err, errno, "cannot tell the working folder");
        while (strncmp(dir, "./", 2) == 0)
            dir += 2;
        abs = nk_arena_printf(a, "%s/%s", cwd, dir);
    }
    if (!abs)
        return nk_fail(err, NK_E_NOMEM, "no memory");
    for (size_t n = strlen(abs); n > 1 && abs[n - 1] == '/';)
        abs[--n] = 0;
    *out = abs;
    return NK_OK;
}

static nk_code path_of(char out[4200], const char *dir, const char *name, nk_err *err)
{
    if (snprintf(out, 4200, "%s/%s", dir, name) >= 4200)
        return nk_fail(err, NK_E_INVALID, "the path %s is too long", dir);
    return NK_OK;
}

nk_code nk_state_lock(const char *dir, int *fd, nk_err *err)
{
    char path[4200], pid[32] = "";
    NK_TRY(path_of(path, dir, "lock", err));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return nk_fail_errno(err, errno, "cannot open %s", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        int e = errno;
        ssize_t n = pread(*fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
        close(*fd);
        *fd = -1;
        if (e != EWOULDBLOCK)
            return nk_fail_errno(err, e, "cannot lock %s", path);
        nk_code rc = nk_fail(err, NK_E_EXISTS, "another server%s%s already uses %s",
                             *pid ? ", process " : "", pid, dir);
        nk_hint(err, "end it with 'nikawa stop --data %s', or give --data another folder", dir);
        return rc;
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(*fd, 0) != 0 || pwrite(*fd, pid, (size_t)n, 0) != n)
        nk_warn("cmd", "cannot write the process id into %s", path);
    return NK_OK;
}

const char *nk_state_credential(const char *dir, const char *profile, const char *key, nk_arena *a)
{
    char path[4200], head[80];
    nk_str text, line;
    bool inside = false;
    if (path_of(path, dir, "credentials", NULL) != NK_OK ||
        nk_file_read(path, FILE_MAX, a, &text, NULL) != NK_OK)
        return NULL;
    snprintf(head, sizeof head, "[%s]", profile);
    while (nk_str_split(&text, '\n', &line)) {
        line = nk_str_trim(line);
        if (line.n && line.p[0] == '[') {
            inside = nk_str_is(line, head);
            continue;
        }
        ptrdiff_t eq = nk_str_chr(line, '=');
        if (!inside || eq < 0 || !nk_str_is(nk_str_trim(nk_str_sub(line, 0, (size_t)eq)), key))
            continue;
        nk_str v = nk_str_dup(a, nk_str_trim(nk_str_sub(line, (size_t)eq + 1, line.n)));
        return v.n ? v.p : NULL;
    }
    return NULL;
}

static nk_code write_file(const char *dir, const char *name, nk_buf *b, nk_err *err)
{
    char path[4200];
    nk_code rc = nk_buf_check(b, err);
    if (rc == NK_OK)
        rc = path_of(path, dir, name, err);
    if (rc == NK_OK)
        rc = nk_file_write(path, nk_buf_view(b), 0600, err);
    nk_buf_free(b);
    return rc;
}

nk_code nk_state_write_credentials(const nk_cmd_server *s, nk_err *err)
{
    nk_buf b;
    nk_buf_init(&b, FILE_MAX);
    nk_buf_printf(&b, "[nikawa]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
                  s->access_key, s->secret_key);
    if (s->s3_access_key && strcmp(s->s3_access_key, s->access_key) != 0)
        nk_buf_printf(&b, "\n[nikawa-s3]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
                      s->s3_access_key, s->s3_secret_key);
    return write_file(s->dir, "credentials", &b, err);
}

static void profile(nk_buf *b, const char *name, const char *region)
{
    nk_buf_printf(b,
                  "[profile %s]\nregion = %s\noutput = json\nservices = nikawa\n"
                  "s3 =\n  addressing_style = path\n\n",
                  name, region);
}

nk_code nk_state_write_config(const nk_cmd_server *s, nk_err *err)
{
    static const char *const services[] = {"glue", "databrew", "sts"};
    nk_buf b;
    nk_buf_init(&b, FILE_MAX);
    profile(&b, "nikawa", s->region);
    if (s->s3_access_key && strcmp(s->s3_access_key, s->access_key) != 0)
        profile(&b, "nikawa-s3", s->region);
    nk_buf_puts(&b, "[services nikawa]\n");
    for (size_t i = 0; i < NK_COUNTOF(services); i++)
        nk_buf_printf(&b, "%s =\n  endpoint_url = %s\n", services[i], s->url);
    if (s->s3_url)
        nk_buf_printf(&b, "s3 =\n  endpoint_url = %s\n", s->s3_url);
    return write_file(s->dir, "config", &b, err);
}

nk_code nk_state_write_server(const nk_cmd_server *s, nk_err *err)
{
    nk_buf b;
    nk_json_writer w = {&b, false};
    nk_buf_init(&b, FILE_MAX);
    nk_jw_object(&w);
    nk_jw_ki64(&w, "pid", s->pid);
    nk_jw_kcstr(&w, "url", s->url);
    if (s->s3_url)
        nk_jw_kcstr(&w, "s3_url", s->s3_url);
    nk_jw_kcstr(&w, "region", s->region);
    nk_jw_kcstr(&w, "account_id", s->account_id);
    nk_jw_kcstr(&w, "version", NK_VERSION);
    nk_jw_object_end(&w);
    nk_buf_putc(&b, '\n');
    return write_file(s->dir, "server.json", &b, err);
}

void nk_state_remove_server(const char *dir)
{
    char path[4200];
    if (path_of(path, dir, "server.json", NULL) == NK_OK)
        unlink(path);
}

static const char *json_text(const nk_json *j, const char *key, nk_arena *a)
{
    nk_str s = nk_json_str(j, key);
    return s.p ? nk_str_dup(a, s).p : NULL;
}

nk_code nk_cmd_find_server(const char *dir, nk_arena *a, nk_cmd_server *out, nk_err *err)
{
    char path[4200];
    nk_str text;
    nk_json *j = NULL;
    memset(out, 0, sizeof *out);
    NK_TRY(nk_state_dir(dir, a, &out->dir, err));
    NK_TRY(path_of(path, out->dir, "server.json", err));
    nk_code rc = nk_file_read(path, FILE_MAX, a, &text, err);
    if (rc == NK_OK)
        rc = nk_json_parse(text, a, 0, &j, err);
    if (rc == NK_OK) {
        out->pid = (int)nk_json_i64(j, "pid", 0);
        if (out->pid <= 0 || (kill(out->pid, 0) != 0 && errno == ESRCH))
            rc = NK_E_NOT_FOUND;
    }
    if (rc != NK_OK) {
        rc = nk_fail(err, NK_E_NOT_FOUND, "no server runs on %s", out->dir);
        nk_hint(err, "start one with 'nikawa serve --data %s', or name its folder by --data",
                out->dir);
        return rc;
    }
    out->url = json_text(j, "url", a);
    out->s3_url = json_text(j, "s3_url", a);
    out->region = json_text(j, "region", a);
    out->account_id = json_text(j, "account_id", a);
    out->access_key = nk_state_credential(out->dir, "nikawa", "aws_access_key_id", a);
    out->secret_key = nk_state_credential(out->dir, "nikawa", "aws_secret_access_key", a);
    out->s3_access_key = nk_state_credential(out->dir, "nikawa-s3", "aws_access_key_id", a);
    out->s3_secret_key = nk_state_credential(out->dir, "nikawa-s3", "aws_secret_access_key", a);
    if (!out->s3_access_key || !out->s3_secret_key) {
        out->s3_access_key = out->access_key;
        out->s3_secret_key = out->secret_key;
    }
    if (!out->url || !out->region || !out->access_key || !out->secret_key)
        return nk_fail(err, NK_E_INVALID,
                       "%s/server.json or %s/credentials is damaged; restart the server", out->dir,
                       out->dir);
    return NK_OK;
}
