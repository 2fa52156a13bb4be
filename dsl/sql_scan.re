/* The tokens of an SQL text, after PostgreSQL's manual, 4.1 Lexical Structure, with standard_conforming_strings on.
 *
 * It has to find where strings, quoted names and comments end, and which colon stands alone; whatever else is in a statement is the
 * parser's. tests/fuzz/fuzz_sql.c holds it against PostgreSQL's own scanner. The text ends with a NUL, the sentinel; it has no other.
 */
#include "sql_internal.h"

#include <string.h>

#include "arena.h"

/*!re2c
    re2c:define:YYCTYPE = "unsigned char";
    re2c:yyfill:enable = 0;

    name_start = [A-Za-z_\x80-\xff];
    name       = name_start [A-Za-z_0-9$\x80-\xff]*;
    tag        = "$" (name_start [A-Za-z_0-9\x80-\xff]*)? "$";
    plain      = "'" ([^'\x00] | "''")* "'";
    remark     = "--" [^\n\r\x00]*;
    goes_on    = ([ \t\f] | remark)* [\n\r] ([ \t\n\r\f] | remark [\n\r])*; // between two parts of one string
    part       = "'" ([^'\\\x00] | "''" | "\\" [^\x00])* "'";
    escaped    = 'e' part (goes_on part)*;
    quoted     = "\"" ([^"\x00] | "\"\"")* "\"";
*/

/* Past the end of a comment, which may have comments in it; NULL when it does not end. */
static const char *past_comment(const char *p)
{
    for (unsigned depth = 1; *p; p++) {
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p++;
        } else if (p[0] == '*' && p[1] == '/') {
            p++;
            if (!--depth)
                return p + 1;
        }
    }
    return NULL;
}

/* Past `$tag$ ... $tag$`. */
static const char *past_dollars(struct ecc_arena *arena, const char *start, const char *text)
{
    const char *tag = ecc_arena_strndup(arena, start, (size_t)(text - start));
    const char *end = strstr(text, tag);

    return end ? end + strlen(tag) : NULL;
}

bool sql_tokens(struct ecc_arena *arena, const char *text, struct sql_tokens *out)
{
    const char *YYCURSOR = text, *YYMARKER, *start;
    enum sql_token_kind kind;

    for (;;) {
        start = YYCURSOR;
        /*!re2c
            [ \t\n\r\f]+        { continue; }
            remark              { continue; }
            "/*"                { YYCURSOR = past_comment(YYCURSOR); if (!YYCURSOR) return false; continue; }
            tag                 { YYCURSOR = past_dollars(arena, start, YYCURSOR); if (!YYCURSOR) return false; kind = SQL_TOKEN_STRING; goto token; }
            plain | escaped | quoted    { kind = SQL_TOKEN_STRING; goto token; }
            'e'? "'" | "\""     { return false; }
            'array'             { kind = SQL_TOKEN_ARRAY; goto token; }
            name | [0-9]+       { kind = SQL_TOKEN_OTHER; goto token; }
            "$" [0-9]+          { kind = SQL_TOKEN_NUMBERED; goto token; }
            "["                 { kind = SQL_TOKEN_OPEN; goto token; }
            "]"                 { kind = SQL_TOKEN_CLOSE; goto token; }
            ":"                 { kind = SQL_TOKEN_COLON; goto token; }
            "::" | ":="         { kind = SQL_TOKEN_OTHER; goto token; }
            "\x00"              { return true; }
            *                   { kind = SQL_TOKEN_OTHER; goto token; }
        */
token:
        ECC_PUSH(arena, out, ((struct sql_token){(uint32_t)(start - text), (uint32_t)(YYCURSOR - text), kind}));
    }
}
