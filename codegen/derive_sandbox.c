/* A provider's sandbox, played while a scenario is derived. A condition that is not known does not hold. Of a key that is not known (a row
 * holds it) there may be an object: what is in that is not known either. */
#include <string.h>

#include "arena.h"
#include "derive_internal.h"

struct asked {
    struct ecc_derive *d;
    const struct ecc_ext_call *call;
    const struct ecc_known *request, *reply;
};

const struct ecc_known *ecc_derive_literal(struct ecc_arena *arena, const struct ecc_expr *e)
{
    struct ecc_env env = {.arena = arena};

    return ecc_env_eval(&env, e);
}

static struct ecc_kept *find(struct asked *a, const struct ecc_sbx_value *store, const struct ecc_known *key)
{
    const char *text = ecc_known_print(a->d->arena, key);

    for (size_t i = 0; i < a->d->kept.n; i++) {
        struct ecc_kept *kept = &a->d->kept.items[i];
        if (kept->external == &a->call->external->u.external && strcmp(kept->store, store->name) == 0 && strcmp(kept->key, text) == 0)
            return kept;
    }
    return NULL;
}

static const struct ecc_known *value_of(struct asked *a, const struct ecc_sbx_value *v);

static const struct ecc_known *along(struct asked *a, const struct ecc_known *v, const char **path, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v = ecc_known_field(a->d->arena, v, path[i]);
    return v;
}

/* A request goes by the names of the wire, a path by those of the declaration. */
static const struct ecc_known *of_request(struct asked *a, const struct ecc_sbx_value *v)
{
    const struct ecc_record *record = a->call->request;
    const struct ecc_known *at = a->request;

    for (size_t i = 0; i < v->npath; i++) {
        const char *name = v->path[i];
        const struct ecc_record *inner = NULL;
        for (size_t k = 0; record && k < record->nfields; k++)
            if (strcmp(record->fields[k].name, v->path[i]) == 0) {
                name = record->fields[k].wire;
                inner = record->fields[k].type->record;
            }
        record = inner;
        at = ecc_known_field(a->d->arena, at, name);
    }
    return at;
}

static const struct ecc_known *many_of(struct asked *a, const struct ecc_sbx_value *v)
{
    struct ecc_known *out = ecc_known_object(a->d->arena, v->nitems);

    out->kind = v->kind == ECC_SBX_OBJECT ? ECC_KNOWN_OBJECT : ECC_KNOWN_LIST;
    for (size_t i = 0; i < v->nitems; i++) {
        out->keys[i] = v->kind == ECC_SBX_OBJECT ? v->keys[i] : "";
        out->items[i] = value_of(a, v->items[i]);
    }
    return out;
}

static const struct ecc_known *value_of(struct asked *a, const struct ecc_sbx_value *v)
{
    struct ecc_kept *kept;

    switch (v->kind) {
    case ECC_SBX_LITERAL:
        return ecc_derive_literal(a->d->arena, v->literal);
    case ECC_SBX_REQUEST:
        return of_request(a, v);
    case ECC_SBX_STORE: {
        const struct ecc_known *key = value_of(a, v->key);
        kept = find(a, v, key);
        if (!kept && key->kind == ECC_KNOWN_SOME)
            return along(a, ecc_known_some(a->d->arena, "%s[%s]", v->name, key->text), v->path, v->npath);
        return kept ? along(a, kept->value, v->path, v->npath) : &ecc_known_null;
    }
    case ECC_SBX_REPLY:
        return a->reply ? along(a, a->reply, v->path, v->npath) : &ecc_known_null;
    case ECC_SBX_OBJECT:
    case ECC_SBX_LIST:
        return many_of(a, v);
    case ECC_SBX_TOKEN:
        return ecc_known_some(a->d->arena, "%s%u", v->name, ++a->d->names);
    case ECC_SBX_ANSWER: /* only in scenarios */
        break;
    case ECC_SBX_TIMESTAMP:
        return ecc_known_some(a->d->arena, "timestamp");
    }
    return &ecc_known_null;
}

static enum ecc_truth holds(struct asked *a, const struct ecc_sbx_cond *c)
{
    switch (c->test) {
    case ECC_SBX_ALWAYS:
        return ECC_TRUE;
    case ECC_SBX_MISSING: {
        const struct ecc_known *key = value_of(a, c->left->key);
        return find(a, c->left, key) ? ECC_FALSE : key->kind == ECC_KNOWN_SOME ? ECC_UNKNOWN : ECC_TRUE;
    }
    case ECC_SBX_COMPARE:
        return ecc_known_compare(c->op, value_of(a, c->left), value_of(a, c->right));
    case ECC_SBX_AND:
        return ecc_truth_and(holds(a, c->a), holds(a, c->b));
    case ECC_SBX_OR:
        return ecc_truth_not(ecc_truth_and(ecc_truth_not(holds(a, c->a)), ecc_truth_not(holds(a, c->b))));
    case ECC_SBX_NOT:
        return ecc_truth_not(holds(a, c->a));
    }
    return ECC_UNKNOWN;
}

static void keep(struct asked *a, const struct ecc_sbx_value *store, const struct ecc_known *value)
{
    const struct ecc_known *key = value_of(a, store->key);
    struct ecc_kept *kept = find(a, store, key);

    if (kept) {
        kept->value = value;
    } else {
        struct ecc_kept new = {&a->call->external->u.external, store->name, ecc_known_print(a->d->arena, key), value};
        ECC_PUSH(a->d->arena, &a->d->kept, new);
    }
}

/* `set store[key].field = value`: a copy of the object with the field in it. */
static void set(struct asked *a, const struct ecc_sbx_set *s)
{
    struct ecc_kept *kept = find(a, s->target, value_of(a, s->target->key));

    if (!kept || kept->value->kind != ECC_KNOWN_OBJECT || s->target->npath != 1)
        return;
    const struct ecc_known *old = kept->value;
    struct ecc_known *new = ecc_known_object(a->d->arena, old->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < old->n; i++)
        if (strcmp(old->keys[i], s->target->path[0]) != 0) {
            new->keys[n] = old->keys[i];
            new->items[n++] = old->items[i];
        }
    new->keys[n] = s->target->path[0];
    new->items[n++] = value_of(a, s->value);
    new->n = n;
    kept->value = new;
}

int ecc_derive_sandbox(struct ecc_derive *d, const struct ecc_ext_call *call, const struct ecc_known *request,
                       const struct ecc_known **reply)
{
    const struct ecc_external *external = &call->external->u.external;
    struct asked a = {.d = d, .call = call, .request = request};

    for (size_t i = 0; i < external->nrules; i++) {
        const struct ecc_sbx_rule *rule = external->rules[i];
        if (rule->call != call || (rule->when && holds(&a, rule->when) != ECC_TRUE))
            continue;
        a.reply = rule->body ? value_of(&a, rule->body) : NULL;
        *reply = a.reply;
        if (rule->keep)
            keep(&a, rule->keep, a.reply ? a.reply : &ecc_known_null);
        for (size_t k = 0; k < rule->nsets; k++)
            set(&a, &rule->sets[k]);
        return rule->status;
    }
    *reply = ecc_known_some(d->arena, "%s%u", call->name, ++d->names);
    return external->nrules ? 404 : 200; /* without a sandbox: as the provider is meant */
}
