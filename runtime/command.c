/* What the commands of a service's binary share: their options, and text on its way to a terminal. */
#include "command.h"

#include <string.h>

#include "json.h"

static bool harmless(uint32_t c)
{
    return c >= 0x20 && (c < 0x7f || c > 0x9f) && c != 0x61c && c != 0x200e && c != 0x200f && (c < 0x2028 || c > 0x202e) &&
           (c < 0x2066 || c > 0x2069);
}

/* The character at p: how many bytes, 0 when they are no UTF-8. */
static size_t character(const char *p, size_t left, uint32_t *c)
{
    unsigned char lead = (unsigned char)*p;
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (n > left || (n > 1 && !ec_utf8_valid((struct ec_str){p, n})))
        return 0;
    *c = n == 1 ? lead : lead & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        *c = *c << 6 | ((unsigned char)p[i] & 0x3f);
    return n;
}

void ec_shown_add(struct ec_buf *out, struct ec_str text, bool lines)
{
    uint32_t c = 0;

    for (size_t i = 0, n; i < text.n; i += n ? n : 1) {
        n = character(text.p + i, text.n - i, &c);
        if (!n)
            ec_buf_printf(out, "\\x%02x", (unsigned)(unsigned char)text.p[i]);
        else if (harmless(c) || (lines && (c == '\n' || c == '\t')))
            ec_buf_add(out, text.p + i, n);
        else
            ec_buf_printf(out, c < 0x80 ? "\\x%02x" : "\\u{%x}", (unsigned)c);
    }
}

const char *ec_command_value(const char *name, int argc, char **argv, int *at)
{
    size_t n = strlen(name);

    if (strncmp(argv[*at], name, n))
        return NULL;
    if (argv[*at][n] == '=')
        return argv[*at] + n + 1;
    return argv[*at][n] || *at + 1 >= argc ? NULL : argv[++*at];
}
