#include "lake/hive.h"

nk_code nk_hive_escape(nk_buf *b, nk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = c >= 32 && c != 127 && !strchr("\"#%'*/:=?\\{[]^", c);
        (void)nk_buf_printf(b, plain ? "%c" : "%%%02X", c);
    }
    return b->failed ? b->why : NK_OK;
}
