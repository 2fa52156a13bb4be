/* What each token is to the layout: which kind of bracket, where items, elements and clauses begin, how many spaces stand before it.
 *
 * One pass with a stack of the open brackets. A keyword has been told from a name before, by the grammar itself, so that the words here
 * mean what they say.
 */
#include "formatter.h"

#include <string.h>

#include "grammar.h"

enum context { /* what is inside a bracket; TOP: no bracket */
    TOP, BUS, CACHE, EXTERNAL, SANDBOX, SERVICE, DATABASE, TABLE, GATEWAY, BRANCHES, SAGA, IDENTITY, SCENARIO,
    BLOCK, FIELDS, OBJECT, PROPS, BREAKER, STATUSES, NAMES,
    PARAMS, ARGS, LIST, EXPR, INDEX, TYPE_LIST, KEY, BOUNDS,
};

struct frame {
    enum context context;
    unsigned head; /* the kind of the first token of its item, elements too */
    size_t start;  /* where that item begins */
};

struct shaper {
    struct ecc_fmt *f;
    struct frame stack[ECC_MAX_DEPTH + 2];
    size_t n;
};

static unsigned kind(const struct shaper *s, size_t i)
{
    return i < s->f->tokens.n ? s->f->tokens.items[i].kind : 0; /* also for i - 1 of the first */
}

/* Can a value end with this token? */
static bool ends_value(unsigned k)
{
    switch (k) {
    case ECC_TOK_STRING:
    case ECC_TOK_INT:
    case ECC_TOK_FLOAT:
    case ECC_TOK_DURATION:
    case ECC_TOK_TRUE:
    case ECC_TOK_FALSE:
    case ECC_TOK_NULL:
    case ECC_TOK_RP:
    case ECC_TOK_RBRACKET:
    case ECC_TOK_RBRACE:
    case ECC_TOK_SQLTEXT:
        return true;
    }
    return ecc_fmt_is_name(k);
}

/* ------------------------------------------------------------------ brackets */

static bool has_types(enum context context)
{
    return context == TOP || context == EXTERNAL || context == SERVICE || context == TABLE || context == FIELDS || context == PARAMS ||
           context == TYPE_LIST || context == KEY;
}

static enum context parenthesis(const struct shaper *s, const struct frame *top, size_t i)
{
    unsigned before = kind(s, i - 1);

    if (before == ECC_TOK_WAS || kind(s, i + 1) == ECC_TOK_DOTDOT || kind(s, i + 2) == ECC_TOK_DOTDOT)
        return BOUNDS;
    if (top->context == TOP || (top->context == SERVICE && top->head == ECC_TOK_OP && kind(s, i - 2) == ECC_TOK_OP))
        return PARAMS;
    if (top->context == SERVICE && kind(s, i - 2) == ECC_TOK_ON)
        return BOUNDS;
    return ends_value(before) ? ARGS : EXPR;
}

static enum context square(const struct shaper *s, const struct frame *top, size_t i)
{
    unsigned before = kind(s, i - 1);

    if (top->context == CACHE)
        return KEY;
    if (has_types(top->context))
        return before == ECC_TOK_ASSIGN ? LIST : TYPE_LIST;
    return ends_value(before) ? INDEX : LIST;
}

static enum context top_brace(unsigned head)
{
    switch (head) {
    case ECC_TOK_ENUM:
        return NAMES;
    case ECC_TOK_BUS:
        return BUS;
    case ECC_TOK_CACHE:
        return CACHE;
    case ECC_TOK_EXTERNAL:
        return EXTERNAL;
    case ECC_TOK_SERVICE:
        return SERVICE;
    case ECC_TOK_GATEWAY:
        return GATEWAY;
    case ECC_TOK_SAGA:
        return SAGA;
    case ECC_TOK_POLICY:
    case ECC_TOK_EDGE:
        return PROPS;
    case ECC_TOK_IDENTITY:
        return IDENTITY;
    case ECC_TOK_SCENARIO:
        return SCENARIO;
    }
    return FIELDS;
}

static enum context brace(const struct shaper *s, const struct frame *top, size_t i)
{
    unsigned before = kind(s, i - 1);

    switch (top->context) {
    case TOP:
        return top_brace(top->head);
    case BUS:
        return NAMES;
    case DATABASE:
        return top->head == ECC_TOK_TABLE ? TABLE : OBJECT;
    case SAGA:
        return BLOCK;
    case GATEWAY:
        return BRANCHES;
    case PROPS:
        return BREAKER;
    case EXTERNAL:
        if (top->head == ECC_TOK_SANDBOX)
            return SANDBOX;
        if (before == ECC_TOK_ERRORS)
            return STATUSES;
        return before == ECC_TOK_ASSIGN ? OBJECT : FIELDS;
    case SERVICE:
        if (top->head == ECC_TOK_DATABASE)
            return DATABASE;
        if (before == ECC_TOK_ERRORS)
            return NAMES;
        if (before == ECC_TOK_ASSIGN)
            return OBJECT;
        return before == ECC_TOK_ARROW || before == ECC_TOK_COLON ? FIELDS : BLOCK;
    case BLOCK:
        if (before == ECC_TOK_TX || before == ECC_TOK_LATE || before == ECC_TOK_ELSE || kind(s, i - 2) == ECC_TOK_CATCH)
            return BLOCK;
        if (before == ECC_TOK_PASCAL || kind(s, i - 2) == ECC_TOK_PUBLISH || kind(s, i - 3) == ECC_TOK_PUBLISH)
            return OBJECT;
        return ends_value(before) ? BLOCK : OBJECT;
    default:
        return has_types(top->context) && before != ECC_TOK_ASSIGN ? FIELDS : OBJECT;
    }
}

static enum ecc_fmt_shape shape_of(enum context context)
{
    switch (context) {
    case BLOCK:
        return ECC_FMT_BLOCK;
    case FIELDS:
    case OBJECT:
    case PROPS:
    case BREAKER:
    case STATUSES:
        return ECC_FMT_MEMBERS;
    case NAMES:
        return ECC_FMT_NAMES;
    case PARAMS:
    case ARGS:
    case LIST:
        return ECC_FMT_LIST;
    case EXPR:
    case INDEX:
    case TYPE_LIST:
    case KEY:
    case BOUNDS:
        return ECC_FMT_TIGHT;
    default:
        return ECC_FMT_ITEMS;
    }
}

/* ------------------------------------------------------------------ items */

static bool is_request(const struct shaper *s, size_t i)
{
    return ecc_fmt_is_name(kind(s, i)) && ecc_fmt_is_name(kind(s, i + 1)) && kind(s, i + 2) == ECC_TOK_STRING;
}

/* A column's name, a constraint of the table, or `was`; types, and what follows a column, are none. */
static bool begins_column(const struct shaper *s, const struct frame *top, size_t i)
{
    const struct ecc_fmt_token *t = &s->f->tokens.items[i];
    unsigned before = kind(s, i - 1);
    bool after_column = ecc_fmt_is_name(top->head);

    switch (t->kind) {
    case ECC_TOK_PRIMARY_RAW:
    case ECC_TOK_UNIQUE_RAW:
    case ECC_TOK_INDEX:
        return true;
    case ECC_TOK_CHECK:
        return !after_column || t->newline;
    case ECC_TOK_WAS:
        return !after_column;
    }
    return ecc_fmt_is_name(t->kind) && !(after_column && top->start == i - 1) && before != ECC_TOK_REFERENCES && before != ECC_TOK_ASSIGN;
}

static bool begins_statement(const struct shaper *s, size_t i)
{
    unsigned before = kind(s, i - 1);

    switch (kind(s, i)) {
    case ECC_TOK_LET:
    case ECC_TOK_TX:
    case ECC_TOK_PUBLISH:
    case ECC_TOK_PUT:
    case ECC_TOK_DROP:
    case ECC_TOK_FOR:
    case ECC_TOK_AWAIT:
        return true;
    case ECC_TOK_SQL:
        return before != ECC_TOK_ASSIGN;
    case ECC_TOK_FAIL:
    case ECC_TOK_RETURN:
    case ECC_TOK_RETURN_BARE:
    case ECC_TOK_ACCEPT:
        return before != ECC_TOK_ARROW;
    case ECC_TOK_WHEN:
        return kind(s, i - 2) != ECC_TOK_FAIL || kind(s, i - 3) == ECC_TOK_ARROW;
    }
    return ecc_fmt_is_name(kind(s, i)) && kind(s, i) != ECC_TOK_PASCAL &&
           (ends_value(before) || before == ECC_TOK_RETURN_BARE || before == ECC_TOK_LBRACE);
}

#define ONE_OF(k, ...) one_of((k), (const unsigned[]){__VA_ARGS__, 0})

static bool one_of(unsigned k, const unsigned *kinds)
{
    for (; *kinds; kinds++)
        if (*kinds == k)
            return true;
    return false;
}

static bool begins_item(const struct shaper *s, const struct frame *top, size_t i)
{
    unsigned k = kind(s, i);

    switch (top->context) {
    case TOP:
        return ONE_OF(k, ECC_TOK_TOPOLOGY, ECC_TOK_ENUM, ECC_TOK_RECORD, ECC_TOK_ERROR, ECC_TOK_EVENT, ECC_TOK_CLIENT, ECC_TOK_BUS,
                      ECC_TOK_CACHE, ECC_TOK_EXTERNAL, ECC_TOK_SERVICE, ECC_TOK_GATEWAY, ECC_TOK_SAGA, ECC_TOK_POLICY, ECC_TOK_EDGE,
                      ECC_TOK_FORBID, ECC_TOK_INVARIANT, ECC_TOK_IDENTITY, ECC_TOK_SCENARIO, ECC_TOK_DROP);
    case BUS:
        return k == ECC_TOK_TOPIC;
    case CACHE:
        return k == ECC_TOK_KEYSPACE;
    case EXTERNAL:
        return ONE_OF(k, ECC_TOK_BASE, ECC_TOK_SETTING, ECC_TOK_AUTH, ECC_TOK_CALL, ECC_TOK_SANDBOX);
    case SANDBOX:
        return ONE_OF(k, ECC_TOK_STORE, ECC_TOK_ON, ECC_TOK_REFUSE);
    case SERVICE:
        return ONE_OF(k, ECC_TOK_JWT, ECC_TOK_SETTING, ECC_TOK_WORKERS, ECC_TOK_DATABASE, ECC_TOK_OP, ECC_TOK_ON);
    case DATABASE:
        return ONE_OF(k, ECC_TOK_TABLE, ECC_TOK_SEED, ECC_TOK_DROP);
    case TABLE:
        return begins_column(s, top, i);
    case GATEWAY:
        return ONE_OF(k, ECC_TOK_LISTEN, ECC_TOK_LIMIT, ECC_TOK_ROUTE) || (k == ECC_TOK_AUTH && kind(s, i + 1) != ECC_TOK_ARROW);
    case BRANCHES:
        return ecc_fmt_is_name(k) && kind(s, i + 1) == ECC_TOK_COLON;
    case SAGA:
        return ONE_OF(k, ECC_TOK_STEP, ECC_TOK_DONE, ECC_TOK_FAILED);
    case IDENTITY:
        return ONE_OF(k, ECC_TOK_LET, ECC_TOK_TOKEN) || (is_request(s, i) && kind(s, i - 1) != ECC_TOK_ASSIGN);
    case SCENARIO:
        return ONE_OF(k, ECC_TOK_GIVEN, ECC_TOK_WHEN, ECC_TOK_ASSUME, ECC_TOK_EXPECT, ECC_TOK_SAY);
    case BLOCK:
        return begins_statement(s, i);
    default:
        return false;
    }
}

static bool begins_element(const struct shaper *s, const struct frame *top, size_t i)
{
    unsigned k = kind(s, i);

    switch (top->context) {
    case FIELDS:
    case OBJECT:
        return k == ECC_TOK_SPREAD || ((ecc_fmt_is_name(k) || k == ECC_TOK_STRING) && kind(s, i + 1) == ECC_TOK_COLON);
    case NAMES:
        return true;
    case STATUSES:
        return k == ECC_TOK_INT;
    case BREAKER:
        return ONE_OF(k, ECC_TOK_TRIP, ECC_TOK_OPEN, ECC_TOK_PROBE);
    case PROPS:
        return ONE_OF(k, ECC_TOK_HTTP, ECC_TOK_HTTPS, ECC_TOK_EXTERNAL, ECC_TOK_TIMEOUT, ECC_TOK_RETRY, ECC_TOK_BREAKER,
                      ECC_TOK_CONCURRENCY, ECC_TOK_ON, ECC_TOK_PUBLISH, ECC_TOK_CONSUME, ECC_TOK_KEYSPACE, ECC_TOK_USE);
    case PARAMS:
    case ARGS:
    case LIST:
        return ecc_fmt_opens(s->f, i - 1) || s->f->tokens.items[i - 1].comma;
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ clauses, columns, spaces */

static void clause(struct ecc_fmt_token *t, enum ecc_fmt_clause clause, unsigned space)
{
    t->clause = (uint8_t)clause;
    t->space = (uint16_t)space;
}

static void statement_clause(struct ecc_fmt_token *t)
{
    if (ONE_OF(t->kind, ECC_TOK_NONE, ECC_TOK_FOUND, ECC_TOK_CATCH, ECC_TOK_LATE))
        clause(t, ECC_FMT_OWN, 2);
    else if (t->kind == ECC_TOK_KEY || t->kind == ECC_TOK_WHEN)
        clause(t, ECC_FMT_OWN, 1);
}

static void cell(struct ecc_fmt_token *t, unsigned space)
{
    t->cell = (uint8_t)space;
    t->space = (uint16_t)space;
}

static void top_cells(const struct shaper *s, const struct frame *top, size_t i, struct ecc_fmt_token *t)
{
    switch (top->head) {
    case ECC_TOK_ENUM:
    case ECC_TOK_RECORD:
    case ECC_TOK_POLICY:
        if (t->kind == ECC_TOK_LBRACE)
            cell(t, 1);
        break;
    case ECC_TOK_EVENT:
        if (i == top->start + 2)
            cell(t, 1);
        break;
    case ECC_TOK_ERROR:
        if (t->kind == ECC_TOK_INT)
            cell(t, 2);
        break;
    case ECC_TOK_EDGE:
    case ECC_TOK_FORBID:
        if (t->kind == ECC_TOK_ARROW || kind(s, i - 2) == ECC_TOK_ARROW)
            cell(t, 1);
        break;
    }
}

static void gateway_token(const struct shaper *s, const struct frame *top, size_t i, struct ecc_fmt_token *t)
{
    unsigned k = t->kind;
    size_t before = t[-1].length;

    switch (top->head) {
    case ECC_TOK_ROUTE:
        if (i == top->start + 2 || k == ECC_TOK_ARROW) /* as wide as the widest method, and as `public` */
            t->space = before < 6 ? (uint16_t)(7 - before) : 1;
        else if (k == ECC_TOK_AUTH || k == ECC_TOK_PUBLIC)
            cell(t, 1);
        else if (ONE_OF(k, ECC_TOK_REPLY, ECC_TOK_ACCEPTED, ECC_TOK_IDEMPOTENT, ECC_TOK_CACHE))
            clause(t, ECC_FMT_FILL, 2);
        t->hang = kind(s, i - 1) == ECC_TOK_ARROW;
        break;
    case ECC_TOK_AUTH:
        if (k == ECC_TOK_CACHE || k == ECC_TOK_WHILE)
            clause(t, ECC_FMT_FILL, 2);
        break;
    case ECC_TOK_LIMIT:
        if (ONE_OF(k, ECC_TOK_PER, ECC_TOK_IN, ECC_TOK_WHEN_DOWN)) /* burst and lease stay with the rate */
            clause(t, ECC_FMT_FILL, 2);
        break;
    }
}

/* What stands directly in a bracket of items: clauses, columns, and spaces that are not one. */
static void item_token(struct shaper *s, const struct frame *top, size_t i, struct ecc_fmt_token *t)
{
    unsigned k = t->kind;

    switch (top->context) {
    case TOP:
        top_cells(s, top, i, t);
        break;
    case BUS:
        if (k == ECC_TOK_KEY || k == ECC_TOK_PARTITIONS)
            cell(t, 2);
        else if (k == ECC_TOK_RETENTION || k == ECC_TOK_LBRACE)
            t->space = 2;
        break;
    case CACHE:
        if (ONE_OF(k, ECC_TOK_LBRACKET, ECC_TOK_ARROW))
            cell(t, 1);
        else if (k == ECC_TOK_TTL)
            cell(t, 2);
        else if (k == ECC_TOK_NEAR)
            t->space = 2;
        break;
    case EXTERNAL:
        if (k == ECC_TOK_ENV && top->head == ECC_TOK_BASE)
            t->space = 2;
        else if (k == ECC_TOK_IDEMPOTENCY || k == ECC_TOK_ERRORS)
            clause(t, ECC_FMT_OWN, 2);
        break;
    case SANDBOX:
        if (k == ECC_TOK_REPLY)
            clause(t, ECC_FMT_OWN, 1);
        else if (k == ECC_TOK_KEEP || k == ECC_TOK_SET)
            clause(t, ECC_FMT_OWN, 2);
        break;
    case SERVICE:
        if (top->head == ECC_TOK_JWT && (k == ECC_TOK_AUDIENCE || k == ECC_TOK_SECRET))
            clause(t, ECC_FMT_FILL, 2);
        else if (top->head == ECC_TOK_OP && (k == ECC_TOK_ERRORS || k == ECC_TOK_WAS))
            clause(t, ECC_FMT_OWN, 1);
        else if (top->head == ECC_TOK_ON && k == ECC_TOK_RETRY)
            clause(t, ECC_FMT_FILL, 2);
        break;
    case TABLE:
        if (ecc_fmt_is_name(top->head) && i == top->start + 1)
            cell(t, 2);
        else if (k == ECC_TOK_CHECK)
            t->space = 2;
        break;
    case GATEWAY:
        gateway_token(s, top, i, t);
        break;
    case BRANCHES:
        if (k == ECC_TOK_REQUIRED || k == ECC_TOK_OPTIONAL)
            cell(t, 1);
        break;
    case SAGA:
        if (k == ECC_TOK_DO) {
            cell(t, 2);
            t->hang = true;
        } else if (k == ECC_TOK_UNDO) {
            clause(t, ECC_FMT_OWN, 2);
            t->forced = true;
        }
        break;
    case SCENARIO:
        if (i == top->start + 1) /* `given` and the others, as wide as the widest of them */
            t->space = (uint16_t)(7 - s->f->tokens.items[top->start].length);
        else if (k == ECC_TOK_STRING && top->head == ECC_TOK_SAY)
            cell(t, 2);
        else if (k == ECC_TOK_TIMES || k == ECC_TOK_HEADER)
            clause(t, ECC_FMT_FILL, 2);
        break;
    case IDENTITY:
        if (k == ECC_TOK_TIMES)
            clause(t, ECC_FMT_FILL, 2);
        break;
    case BLOCK:
        statement_clause(t);
        break;
    default:
        break;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Spaces between two tokens of a line, whatever they are. */
static unsigned between(const struct shaper *s, size_t i, enum context opened)
{
    unsigned before = kind(s, i - 1), k = kind(s, i);

    if (ONE_OF(before, ECC_TOK_LP, ECC_TOK_LBRACKET, ECC_TOK_DOT, ECC_TOK_DOTDOT, ECC_TOK_SPREAD) ||
        ONE_OF(k, ECC_TOK_RP, ECC_TOK_RBRACKET, ECC_TOK_DOT, ECC_TOK_DOTDOT, ECC_TOK_COLON, ECC_TOK_QUESTION))
        return 0;
    if (before == ECC_TOK_MINUS && !ends_value(kind(s, i - 2)))
        return is_digit(*s->f->tokens.items[i].text); /* `- 1` is not `-1` */
    if (k == ECC_TOK_LP)
        return opened == EXPR || (opened == PARAMS && s->n == 1);
    return k == ECC_TOK_LBRACKET ? opened != INDEX : 1;
}

void ecc_fmt_shape(struct ecc_fmt *f)
{
    struct shaper s = {.f = f, .n = 1};

    for (size_t i = 0; i < f->tokens.n; i++) {
        struct ecc_fmt_token *t = &f->tokens.items[i];
        bool closes = t->match < i, opens = t->match > i;

        if (closes && s.n > 1)
            s.n--;
        struct frame *top = &s.stack[s.n - 1];
        enum context opened = TOP;

        if (!closes) {
            t->item = begins_item(&s, top, i);
            t->element = begins_element(&s, top, i);
            if (t->item || t->element) {
                top->head = t->kind;
                top->start = i;
            }
        }
        if (opens)
            opened = t->kind == ECC_TOK_LP ? parenthesis(&s, top, i) : t->kind == ECC_TOK_LBRACKET ? square(&s, top, i) : brace(&s, top, i);
        t->space = i ? (uint16_t)between(&s, i, opened) : 0;
        if (t->element && kind(&s, i - 1) != ECC_TOK_LBRACE && top->context <= STATUSES)
            t->space = kind(&s, i - 1) == ECC_TOK_HTTPS && t->kind == ECC_TOK_EXTERNAL ? 1 : 2;
        if (t->element && top->context == OBJECT && s.n > 1 && s.stack[s.n - 2].context == DATABASE && kind(&s, i - 1) != ECC_TOK_LBRACE)
            cell(t, 2);
        if (!closes && !t->item)
            item_token(&s, top, i, t);
        if (t->clause && top->context == SANDBOX && t->kind == ECC_TOK_REPLY)
            for (size_t k = top->start; k < i; k++)
                t->forced |= f->tokens.items[k].kind == ECC_TOK_WHEN;
        if (t->clause && t->kind == ECC_TOK_UNDO)
            for (size_t k = top->start; k < i; k++)
                if (f->tokens.items[k].kind == ECC_TOK_DO)
                    f->tokens.items[k + 1].space = 3; /* `do` as wide as `undo` */
        if ((t->kind == ECC_TOK_AND || t->kind == ECC_TOK_OR || t->kind == ECC_TOK_PLUS) && top->context != GATEWAY)
            t->may_break = true;
        if (opens) {
            t->shape = (uint8_t)shape_of(opened);
            s.stack[s.n++] = (struct frame){.context = opened, .start = i};
        }
    }
}
