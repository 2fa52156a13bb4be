/* The page's files, from the binary. */
#include "page.h"

#include <string.h>
#include <strings.h>

#include "studio.h"

/* Does the browser take gzip (RFC 9110, 12.5.3)? q=0 says no. */
static bool takes_gzip(struct ec_str accepted)
{
    for (size_t i = 0; i < accepted.n;) {
        size_t end = i;
        while (end < accepted.n && accepted.p[end] != ',')
            end++;
        while (i < end && accepted.p[i] == ' ')
            i++;
        size_t name = i;
        while (name < end && accepted.p[name] != ';' && accepted.p[name] != ' ')
            name++;
        if ((name - i == 4 && strncasecmp(accepted.p + i, "gzip", 4) == 0) || (name - i == 1 && accepted.p[i] == '*')) {
            const char *q = memmem(accepted.p + name, end - name, "q=", 2);
            bool none = q != NULL;
            for (q = q ? q + 2 : NULL; q && q < accepted.p + end && none; q++)
                none = *q == '0' || *q == '.' || *q == ' ';
            return !none;
        }
        i = end + 1;
    }
    return false;
}

static const struct studio_file *find(struct ec_str path)
{
    if (path.n == 1)
        path = EC_STR("/index.html");
    for (size_t i = 0; i < studio_nfiles; i++)
        if (strlen(studio_files[i].path) == path.n && memcmp(studio_files[i].path, path.p, path.n) == 0)
            return &studio_files[i];
    return NULL;
}

bool studio_serve_page(const struct studio_request *r)
{
    const struct studio_file *file = find(r->http->path);
    char headers[256];

    if (!file)
        return false;
    bool packed = file->packed && takes_gzip(ec_http_header(r->http, "accept-encoding"));
    const char *tag = packed ? file->packed_tag : file->tag;
    snprintf(headers, sizeof headers, "etag: %s\r\ncache-control: %s\r\n%s%s", tag,
             file->immutable ? "public, max-age=31536000, immutable" : "no-cache", file->packed ? "vary: accept-encoding\r\n" : "",
             packed ? "content-encoding: gzip\r\n" : "");
    if (studio_tag_in(ec_http_header(r->http, "if-none-match"), tag))
        studio_reply(r, 304, "", headers, "", 0);
    else
        studio_reply(r, 200, file->type, headers, packed ? file->packed : file->plain, packed ? file->npacked : file->nplain);
    return true;
}
