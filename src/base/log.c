#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"

static int log_fd = 2;
static int log_level = NK_LOG_INFO;

void nk_log_set_level(nk_log_level level)
{
    __atomic_store_n(&log_level, (int)level, __ATOMIC_RELAXED);
}

void nk_log_set_fd(int fd)
{
    __atomic_store_n(&log_fd, fd, __ATOMIC_RELAXED);
}

void nk_log(nk_log_level level, const char *room, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < __atomic_load_n(&log_level, __ATOMIC_RELAXED))
        return;
    char line[4096];
    int64_t us = nk_now_us(nk_env_real());
    nk_civil c = nk_civil_from_us(us);
    int head =
        snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s ", c.year, c.month,
                 c.day, c.hour, c.minute, c.second, c.usec / 1000, names[level], room);
    size_t n = head < 0 ? 0 : (size_t)head < sizeof line ? (size_t)head : sizeof line - 1;
    va_list ap;
    va_start(ap, fmt);
    int body = vsnprintf(line + n, sizeof line - n, fmt, ap);
    va_end(ap);
    if (body > 0)
        n += (size_t)body;
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    for (char *p = line; p < line + n; p++) { /* one event, one line */
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    }
    line[n++] = '\n';
    /* One write a line: lines of several threads do not mix. What cannot be logged is lost. */
    ssize_t put = write(__atomic_load_n(&log_fd, __ATOMIC_RELAXED), line, n);
    (void)put;
}
