/* Tokens: a place in the source and what stands there. Made by lexer.re, read by parse.c; the numbers ECC_TOK_* come from grammar.y.
 *
 * Names are not copied here: a token's text is the source between start and end. */
#ifndef ECC_LEXER_H
#define ECC_LEXER_H

#include "ast.h"

struct ecc_arena;
struct ecc_diags;
struct ecc_source;

/* X(enumerator, spelling). A keyword is one only where the grammar has a use for it (parse.c); elsewhere it is a name. */
#define ECC_KEYWORDS(X)                                                                                                               \
    X(TOPOLOGY, "topology") X(ENUM, "enum") X(RECORD, "record") X(ERROR, "error") X(EVENT, "event") X(CLIENT, "client")               \
    X(BUS, "bus") X(CACHE, "cache") X(EXTERNAL, "external") X(SERVICE, "service") X(GATEWAY, "gateway") X(SAGA, "saga")               \
    X(POLICY, "policy") X(EDGE, "edge") X(FORBID, "forbid") X(INVARIANT, "invariant") X(IDENTITY, "identity")                         \
    X(SCENARIO, "scenario") X(DROP, "drop")                                                                                           \
    X(TOPIC, "topic") X(KEY, "key") X(PARTITIONS, "partitions") X(RETENTION, "retention") X(KEYSPACE, "keyspace") X(TTL, "ttl")       \
    X(NEAR, "near")                                                                                                                   \
    X(BASE, "base") X(ENV, "env") X(SETTING, "setting") X(AUTH, "auth") X(BEARER, "bearer") X(SECRET, "secret") X(BASIC, "basic")     \
    X(HEADER, "header") X(NONE, "none") X(CALL, "call") X(FORM, "form") X(JSON, "json") X(QUERY, "query")                             \
    X(IDEMPOTENCY, "idempotency") X(ERRORS, "errors") X(AS, "as")                                                                     \
    X(SANDBOX, "sandbox") X(STORE, "store") X(ON, "on") X(WHEN, "when") X(REPLY, "reply") X(KEEP, "keep") X(SET, "set")               \
    X(MISSING, "missing")                                                                                                             \
    X(JWT, "jwt") X(ISSUER, "issuer") X(AUDIENCE, "audience") X(DATABASE, "database") X(TABLE, "table") X(PRIMARY, "primary")         \
    X(UNIQUE, "unique") X(REFERENCES, "references") X(CHECK, "check") X(INDEX, "index") X(WAS, "was") X(SEED, "seed") X(OP, "op")     \
    X(CUSTOM, "custom") X(FROM, "from") X(GROUP, "group") X(RETRY, "retry") X(BACKOFF, "backoff") X(THEN, "then")                     \
    X(DEAD_LETTER, "dead-letter") X(WORKERS, "workers")                                                                               \
    X(LET, "let") X(SQL, "sql") X(ONE, "one") X(MAYBE, "maybe") X(MANY, "many") X(EXEC, "exec") X(FOUND, "found") X(TX, "tx")         \
    X(CATCH, "catch") X(START, "start") X(AWAIT, "await") X(LATE, "late") X(PUBLISH, "publish") X(PUT, "put") X(FOR, "for")           \
    X(IN, "in") X(ELSE, "else") X(FAIL, "fail") X(RETURN, "return") X(ACCEPT, "accept") X(NOT, "not") X(AND, "and") X(OR, "or")       \
    X(TRUE, "true") X(FALSE, "false") X(NULL, "null")                                                                                 \
    X(STEP, "step") X(DO, "do") X(UNDO, "undo") X(DONE, "done") X(FAILED, "failed")                                                   \
    X(LISTEN, "listen") X(TLS, "tls") X(VIA, "via") X(WHILE, "while") X(LIMIT, "limit") X(BURST, "burst") X(LEASE, "lease")           \
    X(PER, "per") X(ADDRESS, "address") X(WHEN_DOWN, "when-down") X(ALLOW, "allow") X(REFUSE, "refuse") X(ROUTE, "route") X(PUBLIC, "public")       \
    X(ALL, "all") X(REQUIRED, "required") X(OPTIONAL, "optional") X(ACCEPTED, "accepted") X(AT, "at") X(IDEMPOTENT, "idempotent")     \
    X(USE, "use") X(HTTP, "http") X(HTTPS, "https") X(TIMEOUT, "timeout") X(BREAKER, "breaker") X(TRIP, "trip")                       \
    X(CONSECUTIVE, "consecutive") X(TIMEOUTS, "timeouts") X(FAILURES, "failures") X(OPEN, "open") X(PROBE, "probe")                   \
    X(CONCURRENCY, "concurrency") X(FAILURE, "failure") X(CONSUME, "consume")                                                         \
    X(TOKEN, "token") X(GIVEN, "given") X(SIGNED, "signed") X(ASSUME, "assume") X(FAILS, "fails") X(HANGS, "hangs")                   \
    X(DOWN, "down") X(HOLDS, "holds") X(MISSES, "misses") X(EXPECT, "expect") X(SAY, "say") X(TIMES, "times")

#define ECC_PUNCTUATION(X)                                                                                                            \
    X(LBRACE, "{") X(RBRACE, "}") X(LP, "(") X(RP, ")") X(LBRACKET, "[") X(RBRACKET, "]") X(COLON, ":") X(COMMA, ",") X(DOT, ".")     \
    X(DOTDOT, "..") X(SPREAD, "...") X(ARROW, "->") X(QUESTION, "?") X(ASSIGN, "=") X(EQ, "==") X(NE, "!=") X(LE, "<=") X(GE, ">=")   \
    X(LT, "<") X(GT, ">") X(PLUS, "+") X(MINUS, "-") X(STAR, "*")

/* X(enumerator, what a person calls it). WORD is both kebab and snake. */
#define ECC_TOKEN_CLASSES(X)                                                                                                          \
    X(WORD, "a name") X(SNAKE, "a snake_case name") X(KEBAB, "a kebab-case name") X(PASCAL, "a PascalCase name")                      \
    X(UPPER, "an UPPER_CASE name") X(MIXED, "a name in another spelling")                                                             \
    X(STRING, "a string") X(SQLTEXT, "SQL text") X(RAW, "SQL in parentheses") X(INT, "a whole number") \
    X(FLOAT, "a number") X(DURATION, "a duration such as `200ms`") X(RATE, "a rate such as `100/s`")

struct ecc_token {
    uint32_t start, end;
    uint16_t kind;  /* ECC_TOK_..., 0 at the end */
    uint16_t depth; /* how many brackets are open around it; a bracket itself counts as outside */
};
ECC_AST_LIST(ecc_tokens, struct ecc_token);

enum { ECC_MAX_DEPTH = 100 }; /* of brackets, and of expressions */

/* Lexes everything. The last token has kind 0. Comments are put aside. Whatever can't be a token is reported and left out, or, when it is
 * plain what it was meant to be, reported and taken for that. Returns false when brackets nest too deeply: the rest is then missing. */
bool ecc_lex(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, struct ecc_tokens *tokens,
             struct ecc_spans *comments);

/* brackets.c: gives each token its depth. Brackets that don't match are reported, and made to match by leaving out or putting in (an empty
 * token, at the place where it should stand). Part of ecc_lex. */
bool ecc_match_brackets(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, struct ecc_tokens *tokens);

const char *ecc_token_name(unsigned kind); /* the spelling of a keyword or sign, a description of the others */
bool ecc_token_is_keyword(unsigned kind);

#endif
