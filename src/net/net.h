/* net: HTTP server and client, AWS signatures. */
#ifndef NK_NET_H
#define NK_NET_H

#include "net/client.h"
#include "net/http.h"
#include "net/keys.h"
#include "net/sigv4.h"

#endif
