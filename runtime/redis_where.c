/* REDIS_URL taken apart. */
#include "redis_where.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "app.h"
#include "json.h"

static char *part(const char *from, size_t n)
{
    char *out = strndup(from, n), *to = out;

    if (!out)
        abort();
    for (const char *p = out; *p; p++) { /* a password in a URL may be percent-encoded */
        unsigned byte;
        if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1 && byte) {
            *to++ = (char)byte;
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return out;
}

void ec_redis_where_free(struct ec_redis_where *where)
{
    free(where->host);
    free(where->path);
    free(where->user);
    free(where->password);
    *where = (struct ec_redis_where){.port = 6379};
}

/* redis://[[user][:password]@]host[:port][/database], unix:///path */
bool ec_redis_where_parse(const char *url, struct ec_redis_where *out, const char **why)
{
    const char *p, *end, *at, *colon;
    int64_t number;

    *out = (struct ec_redis_where){.port = 6379};
    if (!strncmp(url, "unix://", 7) && url[7] == '/') {
        out->path = part(url + 7, strlen(url + 7));
        *why = "a path of a Unix socket has 107 bytes at most"; /* unix(7) */
        return strlen(out->path) < sizeof(((struct sockaddr_un *)0)->sun_path);
    }
    *why = !strncmp(url, "rediss://", 9) ? "TLS to Redis is not supported" : "must be redis://host:port/database or unix:///path";
    if (strncmp(url, "redis://", 8))
        return false;
    p = url + 8;
    end = p + strcspn(p, "/");
    at = memrchr(p, '@', (size_t)(end - p));
    if (at) {
        colon = memchr(p, ':', (size_t)(at - p));
        if (colon && colon > p)
            out->user = part(p, (size_t)(colon - p));
        out->password = colon ? part(colon + 1, (size_t)(at - colon - 1)) : part(p, (size_t)(at - p));
        p = at + 1;
    }
    if (*end == '/' && end[1]) {
        if (!ec_int_parse(ec_str_of(end + 1), &number) || number < 0 || number > 1000)
            return false;
        out->database = (int)number;
    }
    if (*p == '[') { /* an IPv6 address */
        colon = memchr(p, ']', (size_t)(end - p));
        if (!colon)
            return false;
        out->host = part(p + 1, (size_t)(colon - p - 1));
        colon = colon + 1 < end ? colon + 1 : NULL;
    } else {
        colon = memchr(p, ':', (size_t)(end - p));
        out->host = part(p, (size_t)((colon ? colon : end) - p));
    }
    if (colon) {
        if (*colon != ':' || !ec_int_parse((struct ec_str){colon + 1, (size_t)(end - colon - 1)}, &number) || number < 1 || number > 65535)
            return false;
        out->port = (int)number;
    }
    return out->host[0] != '\0';
}
