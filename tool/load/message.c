#include "message.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "arena.h"

void ecc_uniques_init(struct ecc_uniques *uniques)
{
    static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32 that are not taken for each other */
    unsigned char random[8];

    *uniques = (struct ecc_uniques){.n = 0};
    if (getrandom(random, sizeof random, 0) != sizeof random)
        abort();
    for (size_t i = 0; i < sizeof random; i++)
        uniques->run[i] = digits[random[i] % 32];
}

/* ------------------------------------------------------------------ compiling */

struct writer {
    struct ecc_arena *arena;
    struct ecc_message *message;
    const struct ecc_request *first;
    struct ec_buf text; /* of the piece that is being made */
};

static void end_piece(struct writer *w)
{
    if (w->text.n)
        ECC_PUSH(w->arena, &w->message->body,
                 ((struct ecc_piece){ECC_PIECE_TEXT, ecc_arena_strndup(w->arena, w->text.p, w->text.n), NULL}));
    w->text.n = 0;
}

/* A text in JSON, without the quotes around it. */
static void escaped(struct writer *w, const char *text)
{
    json_t *string = json_string(text);
    char *dump = json_dumps(string, JSON_ENCODE_ANY);

    if (!dump)
        abort();
    ec_buf_add(&w->text, dump + 1, strlen(dump) - 2);
    free(dump);
    json_decref(string);
}

static const struct ecc_field *field_of(const struct ecc_record *record, const char *name)
{
    for (size_t i = 0; record && i < record->nfields; i++)
        if (!strcmp(record->fields[i].name, name) || !strcmp(record->fields[i].wire, name))
            return &record->fields[i];
    return NULL;
}

static void literal(struct writer *w, const struct ecc_expr *expr)
{
    switch (expr->kind) {
    case ECC_EXPR_TEXT:
        ec_buf_str(&w->text, "\"");
        escaped(w, expr->u.text);
        ec_buf_str(&w->text, "\"");
        break;
    case ECC_EXPR_INT:
        ec_buf_printf(&w->text, "%" PRId64, expr->u.i);
        break;
    case ECC_EXPR_FLOAT:
        ec_buf_printf(&w->text, "%.17g", expr->u.f);
        break;
    case ECC_EXPR_BOOL:
        ec_buf_str(&w->text, expr->u.b ? "true" : "false");
        break;
    default:
        ec_buf_str(&w->text, "null");
        break;
    }
}

static void value(struct writer *w, const struct ecc_sbx_value *v, const struct ecc_type *type);

static void object(struct writer *w, const struct ecc_sbx_value *v, const struct ecc_record *record)
{
    ec_buf_str(&w->text, "{");
    for (size_t i = 0; i < v->nitems; i++) {
        const struct ecc_field *field = field_of(record, v->keys[i]);
        ec_buf_str(&w->text, i ? ",\"" : "\"");
        escaped(w, field ? field->wire : v->keys[i]);
        ec_buf_str(&w->text, "\":");
        value(w, v->items[i], field ? field->type : NULL);
    }
    ec_buf_str(&w->text, "}");
}

static void value(struct writer *w, const struct ecc_sbx_value *v, const struct ecc_type *type)
{
    const struct ecc_field *field;

    switch (v->kind) {
    case ECC_SBX_LITERAL:
        literal(w, v->literal);
        break;
    case ECC_SBX_OBJECT:
        object(w, v, type && type->kind == ECC_TYPE_RECORD ? type->record : NULL);
        break;
    case ECC_SBX_LIST:
        for (size_t i = 0; i < v->nitems; i++) {
            ec_buf_str(&w->text, i ? "," : "[");
            value(w, v->items[i], type && type->kind == ECC_TYPE_LIST ? type->item : NULL);
        }
        ec_buf_str(&w->text, v->nitems ? "]" : "[]");
        break;
    case ECC_SBX_TOKEN: /* unique("prefix", "suffix") */
        ec_buf_str(&w->text, "\"");
        escaped(w, v->name);
        end_piece(w);
        ECC_PUSH(w->arena, &w->message->body, ((struct ecc_piece){ECC_PIECE_UNIQUE, NULL, NULL}));
        escaped(w, v->path[0]);
        ec_buf_str(&w->text, "\"");
        break;
    case ECC_SBX_REPLY: /* same.field */
        end_piece(w);
        field = field_of(w->first->route->body, v->path[0]);
        ECC_PUSH(w->arena, &w->message->body, ((struct ecc_piece){ECC_PIECE_SAME, field ? field->wire : v->path[0], NULL}));
        break;
    case ECC_SBX_ANSWER:
        end_piece(w);
        ECC_PUSH(w->arena, &w->message->body, ((struct ecc_piece){ECC_PIECE_ANSWER, NULL, v}));
        break;
    case ECC_SBX_REQUEST:
    case ECC_SBX_STORE:
    case ECC_SBX_TIMESTAMP:
        break; /* only in sandboxes */
    }
}

/* What may not stand in a request line, or in this place of it, in percents. */
static void in_percents(struct ec_buf *out, const char *text, const char *also)
{
    for (; *text; text++)
        if (*text > 0x20 && *text < 0x7f && !strchr(also, *text))
            ec_buf_add(out, text, 1);
        else
            ec_buf_printf(out, "%%%02X", (unsigned char)*text);
}

struct ecc_pieces ecc_pieces_of_text(struct ecc_arena *arena, const char *text, const struct ecc_refs_in *refs)
{
    struct ecc_pieces pieces = {.n = 0};

    for (size_t ref = 0; *text;) {
        size_t n = ref < refs->n ? strcspn(text, "{") : strlen(text);
        if (n)
            ECC_PUSH(arena, &pieces, ((struct ecc_piece){ECC_PIECE_TEXT, ecc_arena_strndup(arena, text, n), NULL}));
        text += n;
        if (!*text)
            break;
        ECC_PUSH(arena, &pieces, ((struct ecc_piece){ECC_PIECE_ANSWER, NULL, refs->items[ref++]}));
        text += strcspn(text, "}") + 1;
    }
    return pieces;
}

void ecc_message_init(struct ecc_message *message, struct ecc_arena *arena, const struct ecc_request *request,
                      const struct ecc_request *first, bool signed_in)
{
    struct writer w = {.arena = arena, .message = message, .first = first};

    *message = (struct ecc_message){.request = request, .signed_in = signed_in, .has_body = request->body != NULL};
    message->target = request->op ? ecc_pieces_of_text(arena, ecc_arena_printf(arena, "/ops/%s", request->op->name), &request->refs)
                                  : ecc_pieces_of_text(arena, request->path, &request->refs);
    message->head = ecc_arena_printf(arena, "accept: application/json\r\n%s", request->body ? "content-type: application/json\r\n" : "");
    if (request->body && request->body->kind == ECC_SBX_OBJECT)
        object(&w, request->body, request->op ? request->op->params : request->route->body);
    else if (request->body)
        value(&w, request->body, NULL);
    end_piece(&w);
    ec_buf_free(&w.text);
}

/* ------------------------------------------------------------------ answers */

void ecc_answers_add(struct ecc_answers *answers, struct ecc_arena *arena, const struct ecc_request *request, struct json_t *body)
{
    if (request->let)
        ECC_PUSH(arena, answers, ((struct ecc_answered){request, json_incref(body)}));
}

void ecc_answers_free(struct ecc_answers *answers)
{
    for (size_t i = 0; i < answers->n; i++)
        json_decref(answers->items[i].body);
    answers->n = 0;
}

/* Replies have the names of the wire: the field's own, or what it is written as. */
static const json_t *answered(const struct ecc_answers *answers, const struct ecc_sbx_value *v)
{
    const struct ecc_type *type = v->answer->result;
    const json_t *at = NULL;

    for (size_t i = 0; answers && i < answers->n; i++)
        if (answers->items[i].request == v->answer)
            at = answers->items[i].body;
    for (size_t i = 0; i < v->npath; i++) {
        const struct ecc_field *field = field_of(type && type->kind == ECC_TYPE_RECORD ? type->record : NULL, v->path[i]);
        at = json_object_get(at, field ? field->wire : v->path[i]);
        type = field ? field->type : NULL;
    }
    return at;
}

static const char *lacks(struct ecc_arena *arena, const struct ecc_pieces *pieces, const struct ecc_answers *answers, bool body)
{
    for (size_t i = 0; i < pieces->n; i++) {
        const struct ecc_sbx_value *v = pieces->items[i].value;
        const json_t *there = v ? answered(answers, v) : NULL;
        if (!v || (there && (body || !json_is_null(there))))
            continue;
        const char *name = v->name;
        for (size_t k = 0; k < v->npath; k++)
            name = ecc_arena_printf(arena, "%s.%s", name, v->path[k]);
        return name;
    }
    return NULL;
}

const char *ecc_message_lacks(struct ecc_arena *arena, const struct ecc_message *message, const struct ecc_answers *answers)
{
    const char *name = lacks(arena, &message->target, answers, false);

    return name ? name : lacks(arena, &message->body, answers, true);
}

/* A text without its quotes, everything else as JSON has it. */
static void plain(struct ec_buf *out, const json_t *value, const char *escape)
{
    char *dump = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    if (escape && dump)
        in_percents(out, dump, escape);
    else
        ec_buf_str(out, dump ? dump : "");
    free(dump);
}

void ecc_pieces_text(const struct ecc_pieces *pieces, const struct ecc_answers *answers, struct ec_buf *out)
{
    for (size_t i = 0; i < pieces->n; i++)
        if (pieces->items[i].kind == ECC_PIECE_TEXT)
            ec_buf_str(out, pieces->items[i].text);
        else
            plain(out, answered(answers, pieces->items[i].value), NULL);
}

/* ------------------------------------------------------------------ sending */

static void unique(struct ecc_uniques *uniques, struct ec_buf *buf)
{
    char text[16], *at = text + sizeof text;
    uint64_t n = uniques->n++;

    do
        *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[n % 36];
    while ((n /= 36));
    ec_buf_str(buf, uniques->run);
    ec_buf_add(buf, at, (size_t)(text + sizeof text - at));
}

static void add_json(struct ec_buf *out, const json_t *value)
{
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    ec_buf_str(out, dump ? dump : "null");
    free(dump);
}

void ecc_message_write(const struct ecc_message *message, const struct ecc_sender *sender, const struct ecc_answers *answers,
                       struct ecc_uniques *uniques, struct ec_buf *head, struct ec_buf *body)
{
    ec_buf_printf(head, "%s ", message->request->op ? "POST" : message->request->method);
    for (size_t i = 0; i < message->target.n; i++)
        if (message->target.items[i].kind == ECC_PIECE_TEXT)
            in_percents(head, message->target.items[i].text, "");
        else
            plain(head, answered(answers, message->target.items[i].value), "/?#&%+");
    ec_buf_str(head, " HTTP/1.1\r\n");
    ec_buf_str(head, message->head);
    if (message->signed_in) {
        ec_buf_str(head, "authorization: Bearer ");
        ec_buf_str(head, sender->token);
        ec_buf_str(head, "\r\n");
    }
    if (message->request->op || message->request->route->idempotent) {
        ec_buf_str(head, "idempotency-key: ");
        unique(uniques, head);
        ec_buf_str(head, "\r\n");
    }
    for (size_t i = 0; i < message->body.n; i++) {
        const struct ecc_piece *piece = &message->body.items[i];
        switch (piece->kind) {
        case ECC_PIECE_TEXT:
            ec_buf_str(body, piece->text);
            break;
        case ECC_PIECE_UNIQUE:
            unique(uniques, body);
            break;
        case ECC_PIECE_SAME:
            add_json(body, json_object_get(sender->first, piece->text));
            break;
        case ECC_PIECE_ANSWER:
            add_json(body, answered(answers, piece->value));
            break;
        }
    }
}
