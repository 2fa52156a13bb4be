/* The lexer: bytes to tokens, in one pass over the whole source.
 *
 * scan() is the re2c machine: it finds one token, white space and comments before it left out, and gives its kind. SQL between
 * triple quotes and the raw parentheses of a table are too free for a regular language and are read by hand from where scan() stops.
 * A parenthesis is raw when it follows check, index, unique or primary key directly inside the braces of a `table`; nothing else in the
 * language depends on what came before.
 *
 * The source ends with a NUL, the sentinel; it has no other. Tokens and comments are in the arena.
 */
#include "lexer.h"

#include <stdbool.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "grammar.h"
#include "source.h"

struct lexer {
    struct ecc_arena *arena;
    const struct ecc_source *source;
    struct ecc_diags *diags;
    struct ecc_tokens *tokens;
    struct ecc_spans *comments;
    const char *cursor, *limit;
    const char *start; /* of the present token */
    unsigned braces, table; /* how many are open; how many are open directly inside the table that is being read, or 0 */
    int quotes; /* number of triple quotes in the source; -1: not counted yet */
};

static struct ecc_span span_of(const struct lexer *l, const char *from, const char *to)
{
    return (struct ecc_span){(uint32_t)(from - l->source->text), (uint32_t)(to - l->source->text)};
}

/* ------------------------------------------------------------------ what is wrong */

static void bad_character(struct lexer *l)
{
    struct ecc_span span = span_of(l, l->start, l->cursor);
    unsigned char c = (unsigned char)*l->start;
    struct ecc_diag *diag;

    if (c < 0x20 || c == 0x7f) {
        ecc_diag(l->diags, ECC_E_CHARACTER, span, "a control character (0x%02x) is not allowed here", c);
        return;
    }
    diag = ecc_diag(l->diags, ECC_E_CHARACTER, span, "nothing begins with `%.*s`", (int)(l->cursor - l->start), l->start);
    switch (c) {
    case ';':
        ecc_diag_help(l->diags, diag, "statements and declarations need no separator");
        ecc_diag_fix(diag, span, "");
        break;
    case '#':
        ecc_diag_help(l->diags, diag, "a comment begins with `//`");
        break;
    case '\'':
        ecc_diag_help(l->diags, diag, "text is written in double quotes: \"...\"");
        break;
    case '&':
        ecc_diag_help(l->diags, diag, "the operator is `and`");
        break;
    case '|':
        ecc_diag_help(l->diags, diag, "the operator is `or`");
        break;
    case '!':
        ecc_diag_help(l->diags, diag, "the operator is `not`");
        break;
    case '/':
    case '%':
        ecc_diag_help(l->diags, diag, "the operators on numbers are `+`, `-` and `*`; anything more belongs into SQL");
        break;
    default:
        if (c >= 0x80)
            ecc_diag_help(l->diags, diag, "names are made of ASCII letters and digits; others may stand in strings, SQL and comments");
        break;
    }
}

/* A word like fooBar, Foo_bar or a-B. Where it stands says how it should be spelled, so that is left to the parser; one that begins with
 * a capital can only be a type or an operation. */
static unsigned mixed_word(struct lexer *l)
{
    size_t length = (size_t)(l->cursor - l->start);

    if (*l->start < 'A' || *l->start > 'Z')
        return ECC_TOK_MIXED;
    struct ecc_diag *diag = ecc_diag(l->diags, ECC_E_WORD, span_of(l, l->start, l->cursor), "`%.*s` follows no spelling of the language",
                                     (int)(length > 60 ? 60 : length), l->start);
    ecc_diag_help(l->diags, diag, "names are PascalCase (types, operations, events, errors), kebab-case (nodes, sagas, topics), snake_case "
                                  "(fields, columns, values) or UPPER_CASE (environment)");
    return ECC_TOK_PASCAL;
}

static unsigned bad_number(struct lexer *l)
{
    struct ecc_diag *diag =
        ecc_diag(l->diags, ECC_E_NUMBER, span_of(l, l->start, l->cursor), "`%.*s` is not a number",
                 (int)(l->cursor - l->start > 60 ? 60 : l->cursor - l->start), l->start);

    ecc_diag_help(l->diags, diag, "numbers are `1_000` or `0.5`; durations end in ms, s, m, h or d; rates in /s, /m or /h");
    return ECC_TOK_INT;
}

/* 'text' or /path: taken for the string that it should be. */
static unsigned unquoted(struct lexer *l)
{
    struct ecc_span span = span_of(l, l->start, l->cursor);
    bool single = *l->start == '\'';
    struct ecc_diag *diag = ecc_diag(l->diags, ECC_E_CHARACTER, span, single ? "text stands between double quotes, not single ones"
                                                                             : "a path stands between double quotes");

    ecc_diag_fix(diag, span, ecc_arena_printf(l->arena, "\"%.*s\"", (int)(span.end - span.start) - 2 * single, l->start + single));
    ecc_diag_help(l->diags, diag, "write %s", diag->fix_text);
    return ECC_TOK_STRING;
}

static unsigned open_string(struct lexer *l)
{
    struct ecc_diag *diag;

    /* Brackets at the end of the line are hardly part of the text, and leaving them out would make them look unbalanced. */
    while (l->cursor > l->start + 1 && strchr(" \t\r{}()[]", l->cursor[-1]))
        l->cursor--;
    diag = ecc_diag(l->diags, ECC_E_UNTERMINATED_STRING, span_of(l, l->start, l->cursor), "this string has no closing quote on its line");
    ecc_diag_help(l->diags, diag, "end it with \"; a line break in a string is written \\n");
    return ECC_TOK_STRING;
}

/* ------------------------------------------------------------------ SQL */

static bool begins(const char *line, const char *limit, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(limit - line) > n && memcmp(line, word, n) == 0;
}

/* Where a SQL text whose end was forgotten most likely ended: before the first line that looks like one of ours. */
static const char *runaway(const char *from, const char *to)
{
    static const char *const ours[] = {"let ", "sql ", "tx {", "op ", "on ", "return ", "put ", "drop ", "publish ", "fail ", "when ",
                                       "for ", "none ->", "service ", "saga ", "gateway ", "external ", "edge ", "invariant ", "}"};

    for (const char *p = from; (p = memchr(p, '\n', (size_t)(to - p)));) {
        const char *line = p++;
        while (p < to && (*p == ' ' || *p == '\t'))
            p++;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            if (begins(p, to, ours[i]))
                return line;
    }
    return NULL;
}

static const char *find_quotes(const char *from, const char *limit)
{
    for (const char *p = from; (p = memchr(p, '"', (size_t)(limit - p))); p++)
        if (p[1] == '"' && p[2] == '"') /* the text ends with a NUL */
            return p;
    return NULL;
}

static unsigned sql_text(struct lexer *l)
{
    const char *end = find_quotes(l->cursor, l->limit);
    const char *cut = NULL;

    if (l->quotes < 0) {
        l->quotes = 0;
        for (const char *p = l->source->text; (p = find_quotes(p, l->limit)); p += 3)
            l->quotes++;
    }
    if (l->quotes % 2)
        cut = runaway(l->cursor, end ? end : l->limit);
    if (end && !cut) {
        while (end[3] == '"') /* a text that itself ends with quotes */
            end++;
        l->cursor = end + 3;
        return ECC_TOK_SQLTEXT;
    }
    struct ecc_diag *diag = ecc_diag(l->diags, ECC_E_UNTERMINATED_SQL, span_of(l, l->start, l->start + 3), "this SQL text has no end");
    ecc_diag_help(l->diags, diag, "SQL ends with three double quotes, too: \"\"\"");
    l->quotes++; /* from here on they pair again */
    l->cursor = cut ? cut : l->limit;
    return ECC_TOK_SQLTEXT;
}

/* ------------------------------------------------------------------ raw parentheses */

static bool raw_comes(const struct lexer *l)
{
    const struct ecc_tokens *t = l->tokens;

    if (!l->table || l->braces != l->table || !t->n)
        return false;
    switch (t->items[t->n - 1].kind) {
    case ECC_TOK_CHECK:
    case ECC_TOK_INDEX:
    case ECC_TOK_UNIQUE:
        return true;
    case ECC_TOK_KEY:
        return t->n > 1 && t->items[t->n - 2].kind == ECC_TOK_PRIMARY;
    }
    return false;
}

/* Up to the parenthesis that closes the one before the cursor. SQL's strings, quoted names and comments may hold any. */
static unsigned raw_text(struct lexer *l)
{
    const char *p = l->cursor;
    unsigned open = 1;

    for (; p < l->limit; p++) {
        switch (*p) {
        case '(':
            open++;
            continue;
        case ')':
            if (--open)
                continue;
            l->cursor = p + 1;
            return ECC_TOK_RAW;
        case '\'':
        case '"': {
            const char *close = p + 1 + strcspn(p + 1, *p == '"' ? "\"\n" : "'\n");
            if (*close == *p) /* a lone quote on a line is likelier than a string over lines */
                p = close;
            continue;
        }
        case '-':
            if (p[1] == '-')
                p += strcspn(p, "\n") - 1;
            continue;
        case '/': {
            const char *close = p[1] == '*' ? strstr(p + 2, "*/") : NULL;
            if (close)
                p = close + 1;
            continue;
        }
        }
    }
    struct ecc_diag *diag =
        ecc_diag(l->diags, ECC_E_UNTERMINATED_RAW, span_of(l, l->start, l->start + 1), "this parenthesis is not closed");
    ecc_diag_help(l->diags, diag, "what follows check, index, unique or primary key is SQL up to the matching parenthesis");
    l->cursor += strcspn(l->cursor, "\r\n");
    return ECC_TOK_RAW;
}

/* ------------------------------------------------------------------ the machine */

#define TOKEN(kind) return l->cursor = cursor, (kind)

/* The kind of the next token; 0 at the end. Leaves its bytes between l->start and l->cursor. */
static unsigned scan(struct lexer *l)
{
    const char *cursor, *marker;

    for (;;) {
        l->start = cursor = l->cursor;
        /*!re2c
        re2c:define:YYCTYPE = "unsigned char";
        re2c:define:YYCURSOR = cursor;
        re2c:define:YYMARKER = marker;
        re2c:yyfill:enable = 0;

        end     = "\x00";
        white   = [ \t\r\n]+;
        comment = "//" [^\n\x00]*;
        block   = "/*" ([^*\x00] | "*"+ [^*/\x00])* ("*"+ "/")?;
        digits  = [0-9]+ ("_" [0-9]+)*;
        int     = "-"? digits;
        plain   = [a-z] [a-z0-9]*;
        word    = [A-Za-z_] [A-Za-z0-9_]* ("-" [A-Za-z0-9_]+)*;
        high    = [\x80-\xff];

        end     { return 0; }
        white   { l->cursor = cursor; continue; }
        comment { l->cursor = cursor; ECC_PUSH(l->arena, l->comments, span_of(l, l->start, l->cursor)); continue; }
        block   {
            l->cursor = cursor;
            struct ecc_diag *diag = ecc_diag(l->diags, ECC_E_CHARACTER, span_of(l, l->start, l->start + 2), "there are no block comments");
            ecc_diag_help(l->diags, diag, "begin each line of the comment with `//`");
            continue;
        }
        "\xef\xbb\xbf" {
            l->cursor = cursor;
            if (l->start != l->source->text)
                bad_character(l);
            continue;
        }

        "topology"        { TOKEN(ECC_TOK_TOPOLOGY); }
        "enum"            { TOKEN(ECC_TOK_ENUM); }
        "record"          { TOKEN(ECC_TOK_RECORD); }
        "error"           { TOKEN(ECC_TOK_ERROR); }
        "event"           { TOKEN(ECC_TOK_EVENT); }
        "client"          { TOKEN(ECC_TOK_CLIENT); }
        "bus"             { TOKEN(ECC_TOK_BUS); }
        "cache"           { TOKEN(ECC_TOK_CACHE); }
        "external"        { TOKEN(ECC_TOK_EXTERNAL); }
        "service"         { TOKEN(ECC_TOK_SERVICE); }
        "gateway"         { TOKEN(ECC_TOK_GATEWAY); }
        "saga"            { TOKEN(ECC_TOK_SAGA); }
        "policy"          { TOKEN(ECC_TOK_POLICY); }
        "edge"            { TOKEN(ECC_TOK_EDGE); }
        "forbid"          { TOKEN(ECC_TOK_FORBID); }
        "invariant"       { TOKEN(ECC_TOK_INVARIANT); }
        "identity"        { TOKEN(ECC_TOK_IDENTITY); }
        "scenario"        { TOKEN(ECC_TOK_SCENARIO); }
        "drop"            { TOKEN(ECC_TOK_DROP); }
        "topic"           { TOKEN(ECC_TOK_TOPIC); }
        "key"             { TOKEN(ECC_TOK_KEY); }
        "partitions"      { TOKEN(ECC_TOK_PARTITIONS); }
        "retention"       { TOKEN(ECC_TOK_RETENTION); }
        "keyspace"        { TOKEN(ECC_TOK_KEYSPACE); }
        "ttl"             { TOKEN(ECC_TOK_TTL); }
        "near"            { TOKEN(ECC_TOK_NEAR); }
        "base"            { TOKEN(ECC_TOK_BASE); }
        "env"             { TOKEN(ECC_TOK_ENV); }
        "setting"         { TOKEN(ECC_TOK_SETTING); }
        "auth"            { TOKEN(ECC_TOK_AUTH); }
        "bearer"          { TOKEN(ECC_TOK_BEARER); }
        "secret"          { TOKEN(ECC_TOK_SECRET); }
        "basic"           { TOKEN(ECC_TOK_BASIC); }
        "header"          { TOKEN(ECC_TOK_HEADER); }
        "none"            { TOKEN(ECC_TOK_NONE); }
        "call"            { TOKEN(ECC_TOK_CALL); }
        "form"            { TOKEN(ECC_TOK_FORM); }
        "json"            { TOKEN(ECC_TOK_JSON); }
        "query"           { TOKEN(ECC_TOK_QUERY); }
        "idempotency"     { TOKEN(ECC_TOK_IDEMPOTENCY); }
        "errors"          { TOKEN(ECC_TOK_ERRORS); }
        "as"              { TOKEN(ECC_TOK_AS); }
        "sandbox"         { TOKEN(ECC_TOK_SANDBOX); }
        "store"           { TOKEN(ECC_TOK_STORE); }
        "on"              { TOKEN(ECC_TOK_ON); }
        "when"            { TOKEN(ECC_TOK_WHEN); }
        "reply"           { TOKEN(ECC_TOK_REPLY); }
        "keep"            { TOKEN(ECC_TOK_KEEP); }
        "set"             { TOKEN(ECC_TOK_SET); }
        "missing"         { TOKEN(ECC_TOK_MISSING); }
        "jwt"             { TOKEN(ECC_TOK_JWT); }
        "issuer"          { TOKEN(ECC_TOK_ISSUER); }
        "audience"        { TOKEN(ECC_TOK_AUDIENCE); }
        "database"        { TOKEN(ECC_TOK_DATABASE); }
        "table"           { TOKEN(ECC_TOK_TABLE); }
        "primary"         { TOKEN(ECC_TOK_PRIMARY); }
        "unique"          { TOKEN(ECC_TOK_UNIQUE); }
        "references"      { TOKEN(ECC_TOK_REFERENCES); }
        "check"           { TOKEN(ECC_TOK_CHECK); }
        "index"           { TOKEN(ECC_TOK_INDEX); }
        "was"             { TOKEN(ECC_TOK_WAS); }
        "seed"            { TOKEN(ECC_TOK_SEED); }
        "op"              { TOKEN(ECC_TOK_OP); }
        "custom"          { TOKEN(ECC_TOK_CUSTOM); }
        "from"            { TOKEN(ECC_TOK_FROM); }
        "group"           { TOKEN(ECC_TOK_GROUP); }
        "retry"           { TOKEN(ECC_TOK_RETRY); }
        "backoff"         { TOKEN(ECC_TOK_BACKOFF); }
        "then"            { TOKEN(ECC_TOK_THEN); }
        "dead-letter"     { TOKEN(ECC_TOK_DEAD_LETTER); }
        "workers"         { TOKEN(ECC_TOK_WORKERS); }
        "let"             { TOKEN(ECC_TOK_LET); }
        "sql"             { TOKEN(ECC_TOK_SQL); }
        "one"             { TOKEN(ECC_TOK_ONE); }
        "maybe"           { TOKEN(ECC_TOK_MAYBE); }
        "many"            { TOKEN(ECC_TOK_MANY); }
        "exec"            { TOKEN(ECC_TOK_EXEC); }
        "found"           { TOKEN(ECC_TOK_FOUND); }
        "tx"              { TOKEN(ECC_TOK_TX); }
        "catch"           { TOKEN(ECC_TOK_CATCH); }
        "start"           { TOKEN(ECC_TOK_START); }
        "await"           { TOKEN(ECC_TOK_AWAIT); }
        "late"            { TOKEN(ECC_TOK_LATE); }
        "publish"         { TOKEN(ECC_TOK_PUBLISH); }
        "put"             { TOKEN(ECC_TOK_PUT); }
        "for"             { TOKEN(ECC_TOK_FOR); }
        "in"              { TOKEN(ECC_TOK_IN); }
        "else"            { TOKEN(ECC_TOK_ELSE); }
        "fail"            { TOKEN(ECC_TOK_FAIL); }
        "return"          { TOKEN(ECC_TOK_RETURN); }
        "accept"          { TOKEN(ECC_TOK_ACCEPT); }
        "not"             { TOKEN(ECC_TOK_NOT); }
        "and"             { TOKEN(ECC_TOK_AND); }
        "or"              { TOKEN(ECC_TOK_OR); }
        "true"            { TOKEN(ECC_TOK_TRUE); }
        "false"           { TOKEN(ECC_TOK_FALSE); }
        "null"            { TOKEN(ECC_TOK_NULL); }
        "step"            { TOKEN(ECC_TOK_STEP); }
        "do"              { TOKEN(ECC_TOK_DO); }
        "undo"            { TOKEN(ECC_TOK_UNDO); }
        "done"            { TOKEN(ECC_TOK_DONE); }
        "failed"          { TOKEN(ECC_TOK_FAILED); }
        "listen"          { TOKEN(ECC_TOK_LISTEN); }
        "tls"             { TOKEN(ECC_TOK_TLS); }
        "via"             { TOKEN(ECC_TOK_VIA); }
        "while"           { TOKEN(ECC_TOK_WHILE); }
        "limit"           { TOKEN(ECC_TOK_LIMIT); }
        "burst"           { TOKEN(ECC_TOK_BURST); }
        "lease"           { TOKEN(ECC_TOK_LEASE); }
        "per"             { TOKEN(ECC_TOK_PER); }
        "address"         { TOKEN(ECC_TOK_ADDRESS); }
        "when-down"       { TOKEN(ECC_TOK_WHEN_DOWN); }
        "allow"           { TOKEN(ECC_TOK_ALLOW); }
        "refuse"          { TOKEN(ECC_TOK_REFUSE); }
        "route"           { TOKEN(ECC_TOK_ROUTE); }
        "public"          { TOKEN(ECC_TOK_PUBLIC); }
        "all"             { TOKEN(ECC_TOK_ALL); }
        "required"        { TOKEN(ECC_TOK_REQUIRED); }
        "optional"        { TOKEN(ECC_TOK_OPTIONAL); }
        "accepted"        { TOKEN(ECC_TOK_ACCEPTED); }
        "at"              { TOKEN(ECC_TOK_AT); }
        "idempotent"      { TOKEN(ECC_TOK_IDEMPOTENT); }
        "use"             { TOKEN(ECC_TOK_USE); }
        "http"            { TOKEN(ECC_TOK_HTTP); }
        "https"           { TOKEN(ECC_TOK_HTTPS); }
        "timeout"         { TOKEN(ECC_TOK_TIMEOUT); }
        "breaker"         { TOKEN(ECC_TOK_BREAKER); }
        "trip"            { TOKEN(ECC_TOK_TRIP); }
        "consecutive"     { TOKEN(ECC_TOK_CONSECUTIVE); }
        "timeouts"        { TOKEN(ECC_TOK_TIMEOUTS); }
        "failures"        { TOKEN(ECC_TOK_FAILURES); }
        "open"            { TOKEN(ECC_TOK_OPEN); }
        "probe"           { TOKEN(ECC_TOK_PROBE); }
        "concurrency"     { TOKEN(ECC_TOK_CONCURRENCY); }
        "failure"         { TOKEN(ECC_TOK_FAILURE); }
        "consume"         { TOKEN(ECC_TOK_CONSUME); }
        "token"           { TOKEN(ECC_TOK_TOKEN); }
        "given"           { TOKEN(ECC_TOK_GIVEN); }
        "signed"          { TOKEN(ECC_TOK_SIGNED); }
        "assume"          { TOKEN(ECC_TOK_ASSUME); }
        "fails"           { TOKEN(ECC_TOK_FAILS); }
        "hangs"           { TOKEN(ECC_TOK_HANGS); }
        "down"            { TOKEN(ECC_TOK_DOWN); }
        "holds"           { TOKEN(ECC_TOK_HOLDS); }
        "misses"          { TOKEN(ECC_TOK_MISSES); }
        "expect"          { TOKEN(ECC_TOK_EXPECT); }
        "say"             { TOKEN(ECC_TOK_SAY); }
        "times"           { TOKEN(ECC_TOK_TIMES); }
        plain                             { TOKEN(ECC_TOK_WORD); }
        plain ("_" [a-z0-9]+)+            { TOKEN(ECC_TOK_SNAKE); }
        plain ("-" [a-z0-9]+)+            { TOKEN(ECC_TOK_KEBAB); }
        [A-Z] [A-Za-z0-9]*                { TOKEN(ECC_TOK_PASCAL); }
        [A-Z] [A-Z0-9]* ("_" [A-Z0-9]+)+  { TOKEN(ECC_TOK_UPPER); }
        word                              { TOKEN(mixed_word(l)); }

        int                           { TOKEN(ECC_TOK_INT); }
        int "." [0-9]+                { TOKEN(ECC_TOK_FLOAT); }
        int ("ms" | [smhd])           { TOKEN(ECC_TOK_DURATION); }
        int "/" [smh]                 { TOKEN(ECC_TOK_RATE); }
        int [A-Za-z0-9_]+             { TOKEN(bad_number(l)); }
        int "." [0-9]+ [A-Za-z0-9_]+  { TOKEN(bad_number(l)); }
        int "/" [A-Za-z0-9_]+         { TOKEN(bad_number(l)); }

        "\"\"\""                           { TOKEN(sql_text(l)); }
        "\"" ([^"\\\n\x00] | "\\" [^\n\x00])* "\"" { TOKEN(ECC_TOK_STRING); }
        "\"" ([^"\\\n\x00] | "\\" [^\n\x00])* "\\"? { TOKEN(open_string(l)); }

        "{"   { TOKEN(ECC_TOK_LBRACE); }
        "}"   { TOKEN(ECC_TOK_RBRACE); }
        "("   { TOKEN(raw_comes(l) ? raw_text(l) : ECC_TOK_LP); }
        ")"   { TOKEN(ECC_TOK_RP); }
        "["   { TOKEN(ECC_TOK_LBRACKET); }
        "]"   { TOKEN(ECC_TOK_RBRACKET); }
        ":"   { TOKEN(ECC_TOK_COLON); }
        ","   { TOKEN(ECC_TOK_COMMA); }
        "."   { TOKEN(ECC_TOK_DOT); }
        ".."  { TOKEN(ECC_TOK_DOTDOT); }
        "..." { TOKEN(ECC_TOK_SPREAD); }
        "->"  { TOKEN(ECC_TOK_ARROW); }
        "?"   { TOKEN(ECC_TOK_QUESTION); }
        "="   { TOKEN(ECC_TOK_ASSIGN); }
        "=="  { TOKEN(ECC_TOK_EQ); }
        "!="  { TOKEN(ECC_TOK_NE); }
        "<="  { TOKEN(ECC_TOK_LE); }
        ">="  { TOKEN(ECC_TOK_GE); }
        "<"   { TOKEN(ECC_TOK_LT); }
        ">"   { TOKEN(ECC_TOK_GT); }
        "+"   { TOKEN(ECC_TOK_PLUS); }
        "-"   { TOKEN(ECC_TOK_MINUS); }
        "*"   { TOKEN(ECC_TOK_STAR); }

        "'" [^'"\\\n\x00]* "'"                                { TOKEN(unquoted(l)); }
        ("/" ([A-Za-z0-9_.-]+ | "{" [A-Za-z0-9_]+ "}"))+   { TOKEN(unquoted(l)); }
        "#" [^\n\x00]*                                     { l->cursor = l->start + 1; bad_character(l); l->cursor = cursor; continue; }
        "&&" | "||" { l->cursor = cursor; bad_character(l); continue; }
        high+       { l->cursor = cursor; bad_character(l); continue; }
        *           { l->cursor = cursor; bad_character(l); continue; }
        */
    }
}

static void track_tables(struct lexer *l, unsigned kind)
{
    const struct ecc_tokens *t = l->tokens;

    if (kind == ECC_TOK_LBRACE) {
        l->braces++;
        if (!l->table && t->n > 2 && t->items[t->n - 3].kind == ECC_TOK_TABLE)
            l->table = l->braces;
    } else if (kind == ECC_TOK_RBRACE && l->braces) {
        if (l->braces == l->table)
            l->table = 0;
        l->braces--;
    }
}

bool ecc_lex(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, struct ecc_tokens *tokens,
             struct ecc_spans *comments)
{
    struct lexer l = {
        .arena = arena,
        .source = source,
        .diags = diags,
        .tokens = tokens,
        .comments = comments,
        .cursor = source->text,
        .limit = source->text + source->length,
        .quotes = -1,
    };
    unsigned kind;

    tokens->cap = source->length / 6 + 64;
    tokens->items = ECC_NEW_ARRAY(arena, struct ecc_token, tokens->cap);
    tokens->n = 0;
    do {
        kind = scan(&l);
        if (!kind)
            l.start = l.cursor = l.limit;
        struct ecc_token token = {(uint32_t)(l.start - source->text), (uint32_t)(l.cursor - source->text), (uint16_t)kind, 0};
        ECC_PUSH(arena, tokens, token);
        if (kind == ECC_TOK_LBRACE || kind == ECC_TOK_RBRACE)
            track_tables(&l, kind);
    } while (kind);
    return ecc_match_brackets(arena, source, diags, tokens);
}

/* ------------------------------------------------------------------ names of tokens */

const char *ecc_token_name(unsigned kind)
{
    switch (kind) {
    case 0:
        return "the end of the file";
#define X(e, name)                                                                                                                    \
    case ECC_TOK_##e:                                                                                                                 \
        return name;
        ECC_KEYWORDS(X)
        ECC_PUNCTUATION(X)
        ECC_TOKEN_CLASSES(X)
#undef X
    }
    return "nothing";
}

bool ecc_token_is_keyword(unsigned kind)
{
    switch (kind) {
#define X(e, name) case ECC_TOK_##e:
        ECC_KEYWORDS(X)
#undef X
        return true;
    }
    return false;
}
