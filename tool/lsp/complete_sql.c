/* Completion in SQL: parameters behind a colon, columns behind a table or its alias, else tables and columns. The statement is being
 * written, so it is looked at word by word and not parsed. */
#include "complete.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct words {
    struct {
        const char *text;
        uint32_t start;
    } * items;
    size_t n, cap;
};

static struct words split(struct complete *c, struct ecc_span text)
{
    const char *source = c->place->view->topology.source.text;
    struct words w = {0};

    for (uint32_t i = text.start; i < text.end;) {
        uint32_t from = i;
        while (i < text.end && (isalnum((unsigned char)source[i]) || source[i] == '_'))
            i++;
        if (i == from)
            i++;
        if (isspace((unsigned char)source[from]))
            continue;
        ECC_PUSH(c->arena, &w, ((__typeof__(*w.items)){ecc_arena_strndup(c->arena, source + from, i - from), from}));
    }
    return w;
}

static const struct ecc_service *service_around(struct complete *c)
{
    const struct ecc_ast_decl *d = complete_around(c);
    const char *name = d && d->kind == ECC_AST_DECL_SAGA ? d->u.saga.service.text : d ? d->name.text : NULL;
    const struct ecc_node *node = name ? complete_node(c, name) : NULL;

    return node && node->kind == ECC_NODE_SERVICE ? &node->u.service : NULL;
}

static const struct ecc_table *table_named(const struct ecc_service *s, const char *name)
{
    for (size_t i = 0; s && i < s->ntables; i++)
        if (strcasecmp(s->tables[i]->name, name) == 0)
            return s->tables[i];
    return NULL;
}

static bool is_word(const char *text)
{
    return isalpha((unsigned char)*text) || *text == '_';
}

static bool is_keyword(const char *text)
{
    static const char *const words[] = {"as",     "on",     "set",   "where",     "join",  "left",  "right", "full",    "inner", "cross",
                                        "values", "select", "using", "returning", "group", "order", "limit", "default", "for",   "union"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* The table that a name stands for in this statement: itself, or `FROM table name`, `FROM table AS name`. */
static const struct ecc_table *meaning(const struct ecc_service *s, const struct words *w, const char *name)
{
    for (size_t i = 0; i + 1 < w->n; i++) {
        const struct ecc_table *table = table_named(s, w->items[i].text);
        size_t next = strcasecmp(w->items[i + 1].text, "as") == 0 ? i + 2 : i + 1;
        if (table && next < w->n && strcasecmp(w->items[next].text, name) == 0)
            return table;
    }
    return table_named(s, name);
}

static void add_columns(struct complete *c, const struct ecc_table *table)
{
    for (size_t i = 0; table && i < table->ncolumns; i++)
        complete_add(c, ITEM_FIELD, table->columns[i].name,
                     ecc_arena_printf(c->arena, "%s of %s", lsp_type_name(c->view, table->columns[i].type), table->name));
}

static void add_fields_of(struct complete *c, const struct words *w, size_t at, size_t colon)
{
    const struct ecc_type *type = complete_variable(c, w->items[colon + 1].text);

    for (size_t i = colon + 3; type && i < at; i += 2) {
        const struct ecc_field *f = NULL;
        for (size_t k = 0; type->record && k < type->record->nfields; k++)
            if (strcmp(type->record->fields[k].name, w->items[i].text) == 0)
                f = &type->record->fields[k];
        type = f ? f->type : NULL;
    }
    complete_record(c, type ? type->record : NULL);
}

void complete_sql(struct complete *c, struct ecc_span text)
{
    const struct ecc_service *s = service_around(c);
    struct words w = split(c, text);
    size_t at = 0, colon;

    while (at < w.n && w.items[at].start < c->word)
        at++;
    const char *before = at ? w.items[at - 1].text : "";
    for (colon = at; colon > 1 && strcmp(w.items[colon - 1].text, ".") == 0; colon -= 2)
        ;
    if (colon && strcmp(w.items[colon - 1].text, ":") == 0 && !(colon > 1 && strcmp(w.items[colon - 2].text, ":") == 0)) {
        if (colon == at)
            complete_variables(c);
        else
            add_fields_of(c, &w, at, colon - 1);
        return;
    }
    if (strcmp(before, ":") == 0) /* ::type */
        return;
    if (strcmp(before, ".") == 0) {
        if (at > 1)
            add_columns(c, meaning(s, &w, w.items[at - 2].text));
        return;
    }
    for (size_t i = 0; s && i < s->ntables; i++) {
        bool named = false;
        for (size_t k = 0; k < w.n && !named; k++)
            named = is_word(w.items[k].text) && !is_keyword(w.items[k].text) && strcasecmp(w.items[k].text, s->tables[i]->name) == 0;
        if (named)
            add_columns(c, s->tables[i]);
        complete_add(c, ITEM_CLASS, s->tables[i]->name, "table");
    }
}
