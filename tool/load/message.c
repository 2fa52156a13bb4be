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
        ECC_PUSH(w->arena, &w->message->body, ((struct ecc_piece){ECC_PIECE_TEXT, ecc_arena_strndup(w->arena, w->text.p, w->text.n)}));
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
        ECC_PUSH(w->arena, &w->message->body, ((struct ecc_piece){ECC_PIECE_UNIQUE, NULL}));
        escaped(w, v->path[0]);
        ec_buf_str(&w->text, "\"");
        break;
    case ECC_SBX_REPLY: /* same.field */
        end_piece(w);
        field = field_of(w->first->route->body, v->path[0]);
        ECC_PUSH(w->arena, &w->message->body, ((struct ecc_piece){ECC_PIECE_SAME, field ? field->wire : v->path[0]}));
        break;
    case ECC_SBX_REQUEST:
    case ECC_SBX_STORE:
    case ECC_SBX_TIMESTAMP:
        break; /* only in sandboxes */
    }
}

/* A path with what may not stand in a request line in percents. */
static const char *target(struct ecc_arena *arena, const char *path)
{
    char *text = ecc_arena_alloc(arena, 3 * strlen(path) + 1), *to = text;

    for (; *path; path++)
        if (*path > 0x20 && *path < 0x7f)
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*path);
    return text;
}

void ecc_message_init(struct ecc_message *message, struct ecc_arena *arena, const struct ecc_request *request,
                      const struct ecc_request *first, bool signed_in)
{
    struct writer w = {.arena = arena, .message = message, .first = first};

    *message = (struct ecc_message){.request = request, .signed_in = signed_in, .has_body = request->body != NULL};
    message->head = ecc_arena_printf(arena, "%s %s HTTP/1.1\r\naccept: application/json\r\n%s", request->method,
                                     target(arena, request->path), request->body ? "content-type: application/json\r\n" : "");
    if (request->body && request->body->kind == ECC_SBX_OBJECT)
        object(&w, request->body, request->route->body);
    else if (request->body)
        value(&w, request->body, NULL);
    end_piece(&w);
    ec_buf_free(&w.text);
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

void ecc_message_write(const struct ecc_message *message, const struct ecc_sender *sender, struct ecc_uniques *uniques, struct ec_buf *head,
                       struct ec_buf *body)
{
    ec_buf_str(head, message->head);
    if (message->signed_in) {
        ec_buf_str(head, "authorization: Bearer ");
        ec_buf_str(head, sender->token);
        ec_buf_str(head, "\r\n");
    }
    if (message->request->route->idempotent) {
        ec_buf_str(head, "idempotency-key: ");
        unique(uniques, head);
        ec_buf_str(head, "\r\n");
    }
    for (size_t i = 0; i < message->body.n; i++) {
        const struct ecc_piece *piece = &message->body.items[i];
        char *dump;
        switch (piece->kind) {
        case ECC_PIECE_TEXT:
            ec_buf_str(body, piece->text);
            break;
        case ECC_PIECE_UNIQUE:
            unique(uniques, body);
            break;
        case ECC_PIECE_SAME:
            dump = json_dumps(json_object_get(sender->first, piece->text), JSON_ENCODE_ANY | JSON_COMPACT);
            ec_buf_str(body, dump ? dump : "null");
            free(dump);
            break;
        }
    }
}
