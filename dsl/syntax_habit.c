/* What people write who come from SQL or from another language, and how it is said here: help for a syntax error that no near spelling
 * explains. Words are looked at only where the machine has stopped; all of them may be names elsewhere.
 */
#include "parser.h"

#include <string.h>

#include "grammar.h"

static bool is(const struct ecc_parser *p, const struct ecc_token *t, const char *word)
{
    size_t n = strlen(word);

    return t->end - t->start == n && memcmp(p->source->text + t->start, word, n) == 0;
}

unsigned ecc_keyword_from_elsewhere(const struct ecc_parser *p, const struct ecc_token *t)
{
    static const struct {
        const char *word;
        unsigned kind;
    } words[] = {
        {"const", ECC_TOK_LET},
        {"var", ECC_TOK_LET},
        {"if", ECC_TOK_WHEN},
        {"foreach", ECC_TOK_FOR},
        {"throw", ECC_TOK_FAIL},
        {"raise", ECC_TOK_FAIL},
        {"transaction", ECC_TOK_TX},
        {"begin", ECC_TOK_TX},
        {"emit", ECC_TOK_PUBLISH},
        {"send", ECC_TOK_PUBLISH},
        {"produce", ECC_TOK_PUBLISH},
        {"subscribe", ECC_TOK_CONSUME},
        {"function", ECC_TOK_OP},
        {"func", ECC_TOK_OP},
        {"fn", ECC_TOK_OP},
        {"rpc", ECC_TOK_OP},
        {"method", ECC_TOK_OP},
        {"operation", ECC_TOK_OP},
        {"db", ECC_TOK_DATABASE},
        {"endpoint", ECC_TOK_ROUTE},
        {"path", ECC_TOK_ROUTE},
        {"port", ECC_TOK_LISTEN},
        {"struct", ECC_TOK_RECORD},
        {"message", ECC_TOK_RECORD},
        {"type", ECC_TOK_RECORD},
        {"model", ECC_TOK_RECORD},
        {"class", ECC_TOK_RECORD},
        {"ip", ECC_TOK_ADDRESS},
        {"user", ECC_TOK_IDENTITY},
        {"exception", ECC_TOK_ERROR},
        {"broker", ECC_TOK_BUS},
        {"kafka", ECC_TOK_BUS},
        {"queue", ECC_TOK_TOPIC},
        {"provider", ECC_TOK_EXTERNAL},
        {"workflow", ECC_TOK_SAGA},
        {"rest", ECC_TOK_HTTP},
        {"grpc", ECC_TOK_HTTP},
        {"retries", ECC_TOK_RETRY},
        {"circuit_breaker", ECC_TOK_BREAKER},
        {"circuit-breaker", ECC_TOK_BREAKER},
        {"deadline", ECC_TOK_TIMEOUT},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(p, t, words[i].word))
            return words[i].kind;
    return 0;
}

/* Where a part stands that was written elsewhere, or NULL. */
static const char *place_of(unsigned kind)
{
    switch (kind) {
    case ECC_TOK_OP:
    case ECC_TOK_DATABASE:
    case ECC_TOK_SETTING:
    case ECC_TOK_JWT:
    case ECC_TOK_WORKERS:
        return "a service";
    case ECC_TOK_TABLE:
    case ECC_TOK_SEED:
        return "the database of a service";
    case ECC_TOK_INDEX:
        return "a table";
    case ECC_TOK_TOPIC:
        return "a bus";
    case ECC_TOK_KEYSPACE:
        return "a cache, or where an edge to it says what it may do";
    case ECC_TOK_ROUTE:
    case ECC_TOK_LISTEN:
        return "a gateway";
    case ECC_TOK_CALL:
    case ECC_TOK_SANDBOX:
        return "an external";
    case ECC_TOK_STEP:
        return "a saga";
    case ECC_TOK_GIVEN:
    case ECC_TOK_ASSUME:
    case ECC_TOK_EXPECT:
        return "a scenario";
    case ECC_TOK_TIMEOUT:
    case ECC_TOK_RETRY:
    case ECC_TOK_BREAKER:
        return "an edge or a policy";
    }
    return NULL;
}

/* In a table: a word of SQL's, at most five tokens back on the same line, behind a column's name. */
static bool help_column(struct ecc_parser *p, const struct ecc_token *t, struct ecc_diag *diag)
{
    const struct ecc_token *first = p->tokens.items;

    if (t->kind == ECC_TOK_COMMA) {
        ecc_diag_help(p->diags, diag, "nothing stands between columns");
        ecc_diag_fix(diag, ecc_span_of(*t), "");
        return true;
    }
    for (const struct ecc_token *back = t; back > first && t - back < 6; back--) {
        if (ecc_begins_line(p, back, back - 1))
            break;
        if (is(p, back, "default")) {
            ecc_diag_help(p->diags, diag, "a default is written `= value`");
            ecc_diag_fix(diag, ecc_span_of(*back), "=");
            return true;
        }
        if (is(p, back, "null") || is(p, back, "not")) {
            ecc_diag_help(p->diags, diag, "a column has a value unless its type says otherwise: `text?` may be null");
            return true;
        }
        if (back->kind == ECC_TOK_REFERENCES) {
            ecc_diag_help(p->diags, diag, "`references` takes the name of a table, and its primary key is meant");
            return true;
        }
    }
    return false;
}

/* `varchar(20)`: behind a word that means a type here, or behind a type of ours, one number in parentheses, or two. */
static bool help_length(struct ecc_parser *p, struct ecc_machine *m, const struct ecc_token *t, struct ecc_diag *diag)
{
    if (t - p->tokens.items < 3 || (t->kind != ECC_TOK_RP && t->kind != ECC_TOK_COMMA) || t[-1].kind != ECC_TOK_INT ||
        t[-2].kind != ECC_TOK_LP || !ecc_machine_accepts(m, ECC_TOK_DOTDOT))
        return false;
    const char *text = p->source->text;
    const struct ecc_token *name = t - 3, *number = t - 1;
    const char *wrong = ecc_arena_strndup(p->arena, text + name->start, name->end - name->start), *meant = ecc_type_from_elsewhere(wrong);
    const char *length = ecc_arena_strndup(p->arena, text + number->start, number->end - number->start);
    bool bounded = !strcmp(meant ? meant : wrong, "text") || !strcmp(meant ? meant : wrong, "int");

    if (bounded && t->kind == ECC_TOK_RP) {
        const char *written = ecc_arena_printf(p->arena, "%s(..%s)", meant ? meant : wrong, length);
        ecc_diag_help(p->diags, diag, "what fits is a range: at most %s is `%s`", length, written);
        ecc_diag_fix(diag, (struct ecc_span){name->start, t->end}, written);
        return true;
    }
    if (meant)
        ecc_diag_help(p->diags, diag, "did you mean `%s`?", meant);
    return meant != NULL;
}

/* What a part looks like that begins with this word, or NULL. */
static const char *form_of(unsigned kind)
{
    static const struct {
        unsigned kind;
        const char *form;
    } forms[] = {
        {ECC_TOK_ERROR, "error Name 404 \"Title\""},
        {ECC_TOK_EVENT, "event Name v1 { field: type }"},
        {ECC_TOK_CLIENT, "client name \"Title\""},
        {ECC_TOK_BUS, "bus name \"Title\" { ... }"},
        {ECC_TOK_CACHE, "cache name \"Title\" { ... }"},
        {ECC_TOK_EXTERNAL, "external name \"Title\" { ... }"},
        {ECC_TOK_SERVICE, "service name \"Title\" { ... }"},
        {ECC_TOK_GATEWAY, "gateway name \"Title\" { ... }"},
        {ECC_TOK_SAGA, "saga name on service (field: type) { ... }"},
        {ECC_TOK_EDGE, "edge from -> to { http  timeout 2s }"},
        {ECC_TOK_FORBID, "forbid from -> to \"why\""},
        {ECC_TOK_INVARIANT, "invariant \"name\" on node \"\"\"SELECT ...\"\"\""},
        {ECC_TOK_SCENARIO, "scenario name \"Title\" { ... }"},
        {ECC_TOK_TOPIC, "topic name key field partitions 6 { Event }"},
        {ECC_TOK_KEYSPACE, "keyspace name[key: text] -> Type ttl 5m"},
        {ECC_TOK_BASE, "base \"https://host\" env NAME"},
        {ECC_TOK_SETTING, "setting name: type env NAME = value"},
        {ECC_TOK_CALL, "call Name POST \"/path\" json { field: type } -> { field: type }"},
        {ECC_TOK_JWT, "jwt issuer \"...\" audience \"...\" secret NAME"},
        {ECC_TOK_DATABASE, "database postgres { ... }"},
        {ECC_TOK_SEED, "seed table { column: value }"},
        {ECC_TOK_OP, "op Name(field: type) -> Type errors { Error } { ... }"},
        {ECC_TOK_STEP, "step name do node.Op(field: value) undo node.Op(field: value)"},
        {ECC_TOK_ROUTE, "route GET \"/path/{name}\" public -> service.Op(field: path.name)"},
        {ECC_TOK_LIMIT, "limit 10/s burst 20 per address in cache when-down allow"},
        {ECC_TOK_RETRY, "retry 2 backoff 100ms..1s"},
        {ECC_TOK_BREAKER, "breaker { trip 5 consecutive failures  open 10s  probe 1 }"},
        {ECC_TOK_SAY, "say from -> to \"text\""},
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].kind == kind)
            return forms[i].form;
    return NULL;
}

/* The part that t stands in begins on the same line, as a keyword and not as a name: those have a sign behind or before them. */
void ecc_help_form(struct ecc_parser *p, const struct ecc_token *t, struct ecc_diag *diag)
{
    const struct ecc_token *first = p->tokens.items;
    int inside = 0; /* of how many braces that are open between the word and t */

    for (const struct ecc_token *back = t; back > first && !ecc_begins_line(p, back, back - 1); back--) {
        const struct ecc_token *word = back - 1;
        inside += (word->kind == ECC_TOK_LBRACE) - (word->kind == ECC_TOK_RBRACE);
        bool whole = word->kind == ECC_TOK_BREAKER || word->kind == ECC_TOK_SEED || word->kind == ECC_TOK_EVENT || word->kind == ECC_TOK_CALL;
        bool name = back->kind == ECC_TOK_COLON || back->kind == ECC_TOK_DOT || (word > first && word[-1].kind == ECC_TOK_DOT);
        if (name || (inside > 0 && !whole) || !form_of(word->kind))
            continue;
        ecc_diag_help(p->diags, diag, "it looks like this: %s", form_of(word->kind));
        return;
    }
}

bool ecc_help_habit(struct ecc_parser *p, struct ecc_machine *m, const struct ecc_token *t, struct ecc_diag *diag)
{
    const struct ecc_token *first = p->tokens.items, *before = t > first ? t - 1 : NULL;
    struct ecc_levels levels = ecc_machine_levels(m);
    unsigned meant = ecc_keyword_from_elsewhere(p, t);

    if (meant && ecc_machine_accepts(m, meant)) {
        ecc_diag_help(p->diags, diag, "did you mean `%s`?", ecc_token_name(meant));
        ecc_diag_fix(diag, ecc_span_of(*t), ecc_token_name(meant));
        return true;
    }
    bool begins = !before || before->kind == ECC_TOK_LBRACE || ecc_begins_line(p, t, before);
    unsigned part = begins ? meant ? meant : t->kind : 0;
    if (part && place_of(part)) {
        ecc_diag_help(p->diags, diag, meant ? "here it is called `%s`, and stands in %s" : "`%s` stands in %s", ecc_token_name(part),
                      place_of(part));
        return true;
    }
    if (begins && (is(p, t, "import") || is(p, t, "include")) && ecc_machine_accepts(m, ECC_TOK_SERVICE)) {
        ecc_diag_help(p->diags, diag, "a topology is one file");
        return true;
    }
    if (help_length(p, m, t, diag))
        return true;
    return levels.n && ecc_machine_level_accepts(m, levels.items[0], ECC_TOK_UNIQUE_RAW, -1) && help_column(p, t, diag);
}
