/* Log: one line an event on stderr (or a file), `time level room message key=value…`. Thread-safe.
 */
#ifndef NK_LOG_H
#define NK_LOG_H

typedef enum { NK_LOG_DEBUG, NK_LOG_INFO, NK_LOG_WARN, NK_LOG_ERROR } nk_log_level;

void nk_log_set_level(nk_log_level level);
/* Lines go to this descriptor (borrowed); 2 at the start. */
void nk_log_set_fd(int fd);
void nk_log(nk_log_level level, const char *room, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define nk_debug(room, ...) nk_log(NK_LOG_DEBUG, room, __VA_ARGS__)
#define nk_info(room, ...)  nk_log(NK_LOG_INFO, room, __VA_ARGS__)
#define nk_warn(room, ...)  nk_log(NK_LOG_WARN, room, __VA_ARGS__)
#define nk_error(room, ...) nk_log(NK_LOG_ERROR, room, __VA_ARGS__)

#endif
