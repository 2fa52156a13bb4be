/* HTTP/1.1 heads and chunk lines, read as RFC 9112 writes them and no other way.
 *
 * What two readers could take in two ways is refused, because that is what request smuggling lives on: content-length with
 * transfer-encoding, either of them twice, a bare CR or LF, a folded line, white space before the colon, a transfer coding other than
 * `chunked`, no Host or two. There is no lenient mode.
 *
 * Each step of the grammar is one small scanner that begins where the one before it ended, and every rule ends with its delimiter. The
 * input needs no terminator: reading at the end gives NUL, which no rule takes, and notes that it happened. So a step that failed at
 * the end of the input wants more of it, and one that failed before is malformed.
 *
 * Nothing is allocated; the head points into the input.
 */
#include <string.h>
#include <strings.h>

#include "http.h"
#include "http_parse.h"

/*!re2c
re2c:api = custom;
re2c:api:style = free-form;
re2c:define:YYCTYPE = "unsigned char";
re2c:define:YYPEEK = "(at < n ? (unsigned char)p[at] : (ended = true, (unsigned char)0))";
re2c:define:YYSKIP = "at++;";
re2c:define:YYBACKUP = "mark = at;";
re2c:define:YYRESTORE = "at = mark;";
re2c:yyfill:enable = 0;
re2c:indent:string = "    ";

crlf    = "\r\n";
digit   = [0-9];
hexdig  = [0-9A-Fa-f];
tchar   = [!#$%&'*+\-.^_`|~0-9A-Za-z];
text    = [\t\x20-\x7e\x80-\xff];
pct     = "%" hexdig hexdig;
segment = [A-Za-z0-9\-._~!$&'()*+,;=:@] | pct;
path    = "/" (segment | "/")* ("?" (segment | [/?])*)?;
host    = ([A-Za-z0-9\-._~!$&'()*+,;=] | pct)+ | "[" [0-9A-Fa-f:.]+ "]";
port    = ":" digit{0,5};
quoted  = "\"" ([\t !\x23-\x5b\x5d-\x7e\x80-\xff] | "\\" [\t\x20-\x7e\x80-\xff])* "\"";
*/

bool ec_header_is(struct ec_str name, const char *lower)
{
    return strlen(lower) == name.n && strncasecmp(name.p, lower, name.n) == 0;
}

static enum ec_http_parse bad(struct ec_http_head *head, int status, const char *why)
{
    head->bad_status = status;
    head->why = why;
    return EC_PARSE_BAD;
}

/* More is wanted, unless there is already too much. */
static enum ec_http_parse more(struct ec_http_head *head, size_t n, bool in_target)
{
    if (n < EC_HTTP_MAX_HEAD)
        return EC_PARSE_MORE;
    return in_target ? bad(head, 414, "the request target is too long") : bad(head, 431, "the header section is too large");
}

static enum ec_http_parse request_line(const char *p, size_t n, size_t *from, struct ec_http_head *head)
{
    size_t at = *from, mark = at, start = at;
    bool ended = false;

    /*!re2c
    crlf     { start = at; goto method; } // one empty line before a request is ignored
    ""       {
        if (ended)
            return more(head, n, false);
        at = start;
        goto method;
    }
    */
method:
    ended = false;
    /*!re2c
    tchar+ " " { goto target; }
    *          { return ended ? more(head, n, false) : bad(head, 400, "the request line does not begin with a method"); }
    */
target:
    head->method = (struct ec_str){p + start, at - 1 - start};
    start = at;
    ended = false;
    /*!re2c
    path " "                                  { goto version; }
    'http' 's'? "://" host port? path? " "    { goto version; }
    "* "                                      {
        if (ec_header_is(head->method, "options"))
            goto version;
        return bad(head, 400, "the request target is malformed");
    }
    *                                         {
        if (ended)
            return more(head, n, true);
        if (head->method.n == 7 && memcmp(head->method.p, "CONNECT", 7) == 0)
            return bad(head, 501, "this is no proxy");
        return bad(head, 400, "the request target is malformed");
    }
    */
version:
    head->target = (struct ec_str){p + start, at - 1 - start};
    start = at;
    ended = false;
    /*!re2c
    "HTTP/1." [01] crlf           { head->minor = p[start + 7] - '0'; *from = at; return EC_PARSE_DONE; }
    "HTTP/" digit "." digit crlf  { return bad(head, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"); }
    *                             { return ended ? more(head, n, false) : bad(head, 400, "the request line does not end with a version"); }
    */
}

static enum ec_http_parse status_line(const char *p, size_t n, size_t *from, struct ec_http_head *head)
{
    size_t at = *from, mark = at, start = at;
    bool ended = false;

    /*!re2c
    "HTTP/1." [01] " " [1-5] digit digit " " text* crlf {
        head->minor = p[start + 7] - '0';
        head->status = (p[start + 9] - '0') * 100 + (p[start + 10] - '0') * 10 + (p[start + 11] - '0');
        *from = at;
        return EC_PARSE_DONE;
    }
    * { return ended ? more(head, n, false) : bad(head, 400, "the status line is malformed"); }
    */
}

/* One header line, or the empty line: then the name is empty. */
static enum ec_http_parse header_line(const char *p, size_t n, size_t *from, struct ec_header *header, struct ec_http_head *head)
{
    size_t at = *from, mark = at, start = at, end;
    bool ended = false;

    /*!re2c
    crlf       { header->name = header->value = (struct ec_str){p + start, 0}; *from = at; return EC_PARSE_DONE; }
    tchar+ ":" { goto value; }
    [ \t]      { return bad(head, 400, "a header line is folded or begins with white space"); }
    *          { return ended ? more(head, n, false) : bad(head, 400, "a header name is malformed"); }
    */
value:
    header->name = (struct ec_str){p + start, at - 1 - start};
    start = at;
    ended = false;
    /*!re2c
    text* crlf { goto trim; }
    *          { return ended ? more(head, n, false) : bad(head, 400, "a header value has a control character, bare CR or bare LF"); }
    */
trim:
    end = at - 2;
    while (start < end && (p[start] == ' ' || p[start] == '\t'))
        start++;
    while (end > start && (p[end - 1] == ' ' || p[end - 1] == '\t'))
        end--;
    header->value = (struct ec_str){p + start, end - start};
    *from = at;
    return EC_PARSE_DONE;
}

static bool host_valid(struct ec_str value)
{
    const char *p = value.p;
    size_t n = value.n, at = 0, mark = 0;
    bool ended = false;

    /*!re2c
    host port? { (void)ended; return at == n; }
    *          { return false; }
    */
}

static bool length_read(struct ec_str value, int64_t *out)
{
    int64_t length = 0;
    size_t i;

    if (value.n == 0 || value.n > 18)
        return false;
    for (i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return false;
        length = length * 10 + (value.p[i] - '0');
    }
    *out = length;
    return true;
}

struct seen { bool host, coding, close, keep; };

/* The tokens of `connection` that say something here. */
static bool connection_read(struct ec_str value, struct seen *seen)
{
    size_t i = 0, start, end;

    while (i < value.n) {
        while (i < value.n && (value.p[i] == ' ' || value.p[i] == '\t' || value.p[i] == ','))
            i++;
        start = i;
        while (i < value.n && value.p[i] != ',')
            i++;
        end = i;
        while (end > start && (value.p[end - 1] == ' ' || value.p[end - 1] == '\t'))
            end--;
        if (ec_header_is((struct ec_str){value.p + start, end - start}, "close"))
            seen->close = true;
        else if (ec_header_is((struct ec_str){value.p + start, end - start}, "keep-alive"))
            seen->keep = true;
    }
    return true;
}

/* What a header says about framing and the connection. */
static enum ec_http_parse meaning(const struct ec_header *header, struct ec_http_head *head, struct seen *seen, bool reply)
{
    switch (header->name.n) {
    case 4:
        if (reply || !ec_header_is(header->name, "host"))
            break;
        if (seen->host)
            return bad(head, 400, "there is more than one Host");
        if (!host_valid(header->value))
            return bad(head, 400, "Host is malformed");
        seen->host = head->has_host = true;
        break;
    case 6:
        if (reply || !ec_header_is(header->name, "expect"))
            break;
        if (!ec_header_is(header->value, "100-continue"))
            return bad(head, 417, "this expectation is not known");
        head->expect_continue = true;
        break;
    case 10:
        if (ec_header_is(header->name, "connection"))
            connection_read(header->value, seen);
        break;
    case 14:
        if (!ec_header_is(header->name, "content-length"))
            break;
        if (head->content_length >= 0)
            return bad(head, 400, "there is more than one content-length");
        if (!length_read(header->value, &head->content_length))
            return bad(head, 400, "content-length is malformed");
        break;
    case 17:
        if (!ec_header_is(header->name, "transfer-encoding"))
            break;
        if (seen->coding)
            return bad(head, 400, "there is more than one transfer-encoding");
        if (!ec_header_is(header->value, "chunked"))
            return bad(head, 501, "this transfer coding is not known");
        seen->coding = head->chunked = true;
        break;
    default:
        break;
    }
    return EC_PARSE_DONE;
}

static enum ec_http_parse parse(const char *p, size_t n, struct ec_http_head *head, bool reply)
{
    struct seen seen = {false, false, false, false};
    struct ec_header line;
    enum ec_http_parse r;
    size_t at = 0;

    /* Not the headers: 2 kB that need no clearing. */
    head->method = head->target = (struct ec_str){NULL, 0};
    head->status = head->minor = head->bad_status = 0;
    head->nheaders = head->length = 0;
    head->content_length = -1;
    head->chunked = head->keep_alive = head->expect_continue = head->has_host = false;
    head->why = NULL;
    r = reply ? status_line(p, n, &at, head) : request_line(p, n, &at, head);
    if (r != EC_PARSE_DONE)
        return r;
    for (;;) {
        r = header_line(p, n, &at, &line, head);
        if (r != EC_PARSE_DONE)
            return r;
        if (line.name.n == 0)
            break;
        if (head->nheaders == EC_HTTP_MAX_HEADERS)
            return bad(head, 431, "there are too many headers");
        head->headers[head->nheaders++] = line;
        r = meaning(&line, head, &seen, reply);
        if (r != EC_PARSE_DONE)
            return r;
    }
    if (at > EC_HTTP_MAX_HEAD)
        return bad(head, 431, "the header section is too large");
    if (head->chunked && head->content_length >= 0)
        return bad(head, 400, "there are both content-length and transfer-encoding");
    if (head->chunked && head->minor == 0)
        return bad(head, 400, "HTTP/1.0 has no transfer-encoding");
    if (!reply && head->minor == 1 && !seen.host)
        return bad(head, 400, "there is no Host");
    if (head->minor == 0)
        head->expect_continue = false;
    head->keep_alive = !seen.close && (head->minor == 1 || seen.keep);
    head->length = at;
    return EC_PARSE_DONE;
}

enum ec_http_parse ec_http_parse_request(const char *p, size_t n, struct ec_http_head *head)
{
    return parse(p, n, head, false);
}

enum ec_http_parse ec_http_parse_reply(const char *p, size_t n, struct ec_http_head *head)
{
    enum ec_http_parse r = parse(p, n, head, true);

    if (r == EC_PARSE_DONE && (head->status < 200 || head->status == 204 || head->status == 304)) {
        if (head->chunked || (head->status != 304 && head->content_length > 0))
            return bad(head, 400, "a reply without a body announces one");
        head->content_length = 0;
    }
    return r;
}

enum ec_http_parse ec_http_parse_chunk(const char *p, size_t n, size_t *length, uint64_t *size)
{
    size_t at = 0, mark = 0, i;
    bool ended = false;

    /*!re2c
    hexdig{1,16} (";" tchar+ ("=" (tchar+ | quoted))?)* crlf { goto done; }
    *                                                        { return ended && n < EC_HTTP_MAX_CHUNK_LINE ? EC_PARSE_MORE : EC_PARSE_BAD; }
    */
done:
    if (at > EC_HTTP_MAX_CHUNK_LINE)
        return EC_PARSE_BAD;
    *size = 0;
    for (i = 0; p[i] != '\r' && p[i] != ';'; i++)
        *size = *size << 4 | (uint64_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    *length = at;
    return EC_PARSE_DONE;
}

enum ec_http_parse ec_http_parse_trailers(const char *p, size_t n, size_t *length)
{
    struct ec_http_head head;
    struct ec_header line;
    enum ec_http_parse r;
    size_t at = 0;

    do {
        r = header_line(p, n, &at, &line, &head);
        if (r != EC_PARSE_DONE)
            return r;
    } while (line.name.n > 0);
    *length = at;
    return at > EC_HTTP_MAX_HEAD ? EC_PARSE_BAD : EC_PARSE_DONE;
}
