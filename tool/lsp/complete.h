/* Inside of completion: complete.c says what could stand at a place; complete_names.c has the names that there are; complete_sql.c is for
 * places in SQL. */
#ifndef ECC_LSP_COMPLETE_H
#define ECC_LSP_COMPLETE_H

#include "grammar.h"
#include "lexer.h"
#include "parse.h"
#include "server.h"

/* Kinds of items, as the protocol numbers them. */
enum { ITEM_METHOD = 2, ITEM_FUNCTION = 3, ITEM_FIELD = 5, ITEM_VARIABLE = 6, ITEM_CLASS = 7, ITEM_MODULE = 9, ITEM_VALUE = 12,
       ITEM_ENUM = 13, ITEM_KEYWORD = 14, ITEM_CONSTANT = 21, ITEM_STRUCT = 22, ITEM_EVENT = 23, ITEM_TYPE = 25 };

struct complete {
    const struct lsp_place *place;
    const struct lsp_view *view;   /* whose names are offered: the last good one, while there are mistakes of syntax */
    uint32_t at;                   /* the place in view's text */
    struct ecc_arena *arena;       /* of the answer */
    struct ecc_tokens tokens;      /* of the text as it is; the last has kind 0, three times */
    size_t next;                   /* the first token at or behind the word that is being written */
    uint32_t word;                 /* where that word begins */
    bool kinds[ECC_MAX_KINDS];     /* what could stand there */
    json_t *items;
};

void complete_add(struct complete *c, int kind, const char *label, const char *detail);

/* Names, each of a kind (complete_names.c). */
enum complete_nodes { NODES_ALL, NODES_CALLED, NODES_SERVICES, NODES_CACHES, NODES_CLIENTS };
void complete_nodes(struct complete *c, enum complete_nodes which);
void complete_errors(struct complete *c);
void complete_events(struct complete *c);
void complete_types(struct complete *c, bool builtins, bool records_only);
void complete_topics(struct complete *c);
void complete_keyspaces(struct complete *c, const char *cache); /* NULL: of all */
void complete_sagas(struct complete *c);
void complete_policies(struct complete *c);
void complete_identities(struct complete *c);
void complete_tables(struct complete *c);  /* of the service around the place */
void complete_record(struct complete *c, const struct ecc_record *record);
void complete_enum(struct complete *c, const struct ecc_enum *enum_);
void complete_members(struct complete *c, const struct ecc_node *node); /* operations, calls, keyspaces, topics */
void complete_calls_of_external(struct complete *c);
void complete_methods(struct complete *c); /* of HTTP */
void complete_variables(struct complete *c);
const struct ecc_type *complete_variable(struct complete *c, const char *name); /* its type, or NULL */
const struct ecc_node *complete_node(struct complete *c, const char *name);
const struct ecc_ast_decl *complete_around(struct complete *c); /* the declaration around the place, or NULL */
const struct ecc_record *complete_params(struct complete *c, const char *node, const char *op);
void complete_of_request(struct complete *c, const char *source); /* of the route around: what `path`, `query`, `body` may have */

void complete_sql(struct complete *c, struct ecc_span text); /* complete_sql.c */

static inline const char *complete_text(const struct complete *c, size_t token)
{
    const struct ecc_token *t = &c->tokens.items[token];

    return ecc_arena_strndup(c->arena, c->place->view->topology.source.text + t->start, t->end - t->start);
}

#endif
