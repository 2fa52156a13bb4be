/* Names in a body and what is known about them.
 *
 * A body's names live in a symbol table for bodies, in a space of the body's own, so that a look costs the same in a long program; the scope
 * is the list of those in force, and leaving a block takes its names out. A fact says that an optional path is present: a struct
 * ecc_fact hangs under the variable or under the fact of the path before it, and the trail lists those in force.
 */
#include "resolve.h"

#include <string.h>

struct ecc_body *ecc_body_new(struct ecc_resolver *r, enum ecc_body_kind kind, const struct ecc_node *node, const char *what)
{
    struct ecc_body *body = ECC_NEW(r->arena, struct ecc_body);

    body->kind = kind;
    body->node = node;
    body->what = what;
    body->effects = ECC_NEW(r->arena, struct ecc_effects);
    body->effects->node = node;
    return body;
}

struct ecc_var *ecc_bind(struct ecc_resolver *r, struct ecc_body *body, enum ecc_var_kind kind, const struct ecc_name *name,
                         const struct ecc_type *type)
{
    struct ecc_var *var = ECC_NEW(r->arena, struct ecc_var);
    struct ecc_symbol *e = ecc_symbols_entry(&r->locals, &body->vars, name->text);
    const struct ecc_symbol *setting =
        body->node->kind == ECC_NODE_SERVICE ? ecc_symbols_find(&r->symbols, &body->node->u.service.settings, name->text) : NULL;

    *var = (struct ecc_var){kind, name->text, ecc_unique_name(r, &body->uniques, name->text), type, name->span};
    if (e->value || setting) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, name->span, "name `%s` is in use here already", name->text);
        ecc_diag_second(d, e->value ? ((struct ecc_var *)e->value)->span : setting->span, "first declared here");
        return var;
    }
    e->value = var;
    e->span = name->span;
    ecc_refer_var(r, var, name->span, var->type, true);
    ECC_PUSH(r->arena, &body->scope, e);
    return var;
}

void ecc_bind_fields(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_record *params)
{
    for (size_t i = 0; i < params->nfields; i++) {
        struct ecc_name name = {params->fields[i].name, params->fields[i].span};
        ecc_bind(r, body, ECC_VAR_PARAM, &name, params->fields[i].type);
    }
}

struct ecc_mark ecc_scope_enter(const struct ecc_body *body)
{
    return (struct ecc_mark){body->scope.n, body->trail.n};
}

void ecc_facts_leave(struct ecc_body *body, struct ecc_mark mark)
{
    while (body->trail.n > mark.trail)
        body->trail.items[--body->trail.n]->present = false;
}

void ecc_scope_leave(struct ecc_body *body, struct ecc_mark mark)
{
    ecc_facts_leave(body, mark);
    while (body->scope.n > mark.scope)
        body->scope.items[--body->scope.n]->value = NULL;
}

/* ------------------------------------------------------------------ facts */

static struct ecc_fact *fact_of(struct ecc_resolver *r, const struct ecc_expr *expr, bool make)
{
    const void *space;
    const char *name;

    if (expr->kind == ECC_EXPR_VAR) {
        space = expr->u.var;
        name = "";
    } else if (expr->kind == ECC_EXPR_FIELD) {
        space = fact_of(r, expr->u.field.of, make);
        name = expr->u.field.field->name;
        if (!space)
            return NULL;
    } else {
        return NULL;
    }
    if (!make)
        return ecc_find_local(r, space, name);
    struct ecc_symbol *e = ecc_symbols_entry(&r->locals, space, name);
    if (!e->value)
        e->value = ECC_NEW(r->arena, struct ecc_fact);
    return e->value;
}

/* The expression's own type, made present when that is known. */
static struct ecc_expr *narrowed(struct ecc_resolver *r, struct ecc_body *body, struct ecc_expr *expr)
{
    if (body && body->has_facts && expr->type->optional) {
        const struct ecc_fact *fact = fact_of(r, expr, false);
        if (fact && fact->present)
            expr->type = ecc_type_present(r->arena, expr->type);
    }
    return expr;
}

const struct ecc_expr *ecc_expr_var(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_var *var, struct ecc_span span)
{
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_VAR, var->type, span);

    expr->u.var = var;
    ((struct ecc_var *)(uintptr_t)var)->used = true;
    return narrowed(r, body, expr);
}

const struct ecc_expr *ecc_expr_field(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *of,
                                      const struct ecc_field *field, struct ecc_span span)
{
    const struct ecc_type *type = of->type->optional ? ecc_type_optional(r->arena, field->type) : field->type;
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_FIELD, type, span);

    expr->u.field.of = of;
    expr->u.field.field = field;
    return narrowed(r, body, expr);
}

void ecc_assume_present(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *expr)
{
    for (; expr->kind == ECC_EXPR_VAR || expr->kind == ECC_EXPR_FIELD; expr = expr->u.field.of) {
        struct ecc_fact *fact = fact_of(r, expr, true);
        if (fact && !fact->present) {
            fact->present = true;
            body->has_facts = true;
            ECC_PUSH(r->arena, &body->trail, fact);
        }
        if (expr->kind == ECC_EXPR_VAR)
            return; /* a field is only there when its record is */
    }
}

void ecc_assume_cond(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *cond, bool truth)
{
    if (cond->kind == ECC_EXPR_UNARY && cond->u.op.op == ECC_OP_PRESENT && truth)
        ecc_assume_present(r, body, cond->u.op.left);
    else if (cond->kind == ECC_EXPR_UNARY && cond->u.op.op == ECC_OP_NOT)
        ecc_assume_cond(r, body, cond->u.op.left, !truth);
    if (cond->kind != ECC_EXPR_BINARY)
        return;
    if (cond->u.op.op == (truth ? ECC_OP_AND : ECC_OP_OR)) {
        ecc_assume_cond(r, body, cond->u.op.left, truth);
        ecc_assume_cond(r, body, cond->u.op.right, truth);
    } else if (cond->u.op.op == (truth ? ECC_OP_NE : ECC_OP_EQ)) { /* x != null */
        if (cond->u.op.right->kind == ECC_EXPR_NULL)
            ecc_assume_present(r, body, cond->u.op.left);
        else if (cond->u.op.left->kind == ECC_EXPR_NULL)
            ecc_assume_present(r, body, cond->u.op.right);
    }
}
