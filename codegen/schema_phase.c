/* From the changes of a comparison to migrations: one for each phase that has any, one for each change that can't be in a transaction. */
#include <stdlib.h>
#include <string.h>

#include "schema_diff.h"

enum { PAGES_AT_ONCE = 200 }; /* of 8 KiB: some ten thousand rows */

void schema_change(struct schema_diff *d, enum schema_phase phase, const char *slug, const char *up, const char *down)
{
    ECC_PUSH(d->arena, &d->changes[phase], ((struct schema_change){slug, up, down}));
}

void schema_step(struct schema_diff *d, struct ecc_schema_step what)
{
    if (d->steps)
        ECC_PUSH(d->arena, d->steps, what);
}

struct ecc_schema_table *schema_old_table(struct schema_diff *d, const char *name)
{
    return (struct ecc_schema_table *)ecc_schema_find(&d->old, name);
}

const char *schema_fill(struct schema_diff *d, const char *table, const char *set, const char *where)
{
    return FMT(
        d,
        "DO $$\nDECLARE\n    page bigint := 0;\n    pages bigint := pg_relation_size(%s) / current_setting('block_size')::bigint;\nBEGIN\n"
        "    WHILE page <= pages LOOP\n"
        "        UPDATE %s SET %s\n"
        "         WHERE ctid >= format('(%%s,0)', page)::tid AND ctid < format('(%%s,0)', page + %d)::tid AND %s;\n"
        "        COMMIT;\n        page := page + %d;\n    END LOOP;\nEND $$;\n",
        ecc_quote_sql(d->arena, Q(d, table)), Q(d, table), set, PAGES_AT_ONCE, where, PAGES_AT_ONCE);
}

/* ------------------------------------------------------------------ migrations */

static void add(struct schema_diff *d, struct ecc_migrations *out, const char *slug, const char *up, const char *down, bool alone)
{
    struct ecc_migration *migration = ECC_NEW(d->arena, struct ecc_migration);

    *migration = (struct ecc_migration){
        .name = FMT(d, "%06zu_%.60s", out->n + 1, slug),
        .up = up,
        .down = *down ? down : "-- nothing to take back\n",
        .sha256 = ecc_sha256_hex(d->arena, up, strlen(up)),
        .no_transaction = alone,
    };
    ECC_PUSH(d->arena, out, migration);
}

/* The phases from first to last in one transaction. */
static void add_phases(struct schema_diff *d, struct ecc_migrations *out, enum schema_phase first, enum schema_phase last)
{
    struct ecc_writer up, down;
    const char *slug = NULL;

    ecc_writer_init(&up, d->arena);
    ecc_writer_init(&down, d->arena);
    for (size_t p = first; p <= last; p++) {
        for (size_t i = 0; i < d->changes[p].n; i++) {
            ecc_w(&up, "%s", d->changes[p].items[i].up);
            slug = slug ? slug : d->changes[p].items[i].slug;
        }
    }
    for (size_t p = last + 1; p-- > first;) {
        for (size_t i = d->changes[p].n; i--;)
            ecc_w(&down, "%s", d->changes[p].items[i].down);
    }
    if (slug)
        add(d, out, slug, up.data, down.data, false);
}

static void add_alone(struct schema_diff *d, struct ecc_migrations *out, enum schema_phase phase)
{
    for (size_t i = 0; i < d->changes[phase].n; i++) {
        const struct schema_change *change = &d->changes[phase].items[i];
        add(d, out, change->slug, change->up, change->down, true);
    }
}

static void add_all(struct schema_diff *d, struct ecc_migrations *out)
{
    if (d->changes[PHASE_COPY].n) {
        add_phases(d, out, PHASE_SHADOW, PHASE_SHADOW);
        add_alone(d, out, PHASE_COPY);
        add_phases(d, out, PHASE_CHANGE, PHASE_CHANGE);
    } else {
        add_phases(d, out, PHASE_SHADOW, PHASE_CHANGE);
    }
    add_alone(d, out, PHASE_BUILD);
    add_phases(d, out, PHASE_SETTLE, PHASE_SETTLE);
    add_phases(d, out, PHASE_VALIDATE, PHASE_VALIDATE);
    add_phases(d, out, PHASE_DROP, PHASE_DROP);
}

/* ------------------------------------------------------------------ the two entries */

static struct ecc_schema copy_of(struct ecc_arena *arena, const struct ecc_schema *schema)
{
    struct ecc_schema copy = {0};

    for (size_t i = 0; i < schema->tables.n; i++) {
        const struct ecc_schema_table *from = schema->tables.items[i];
        struct ecc_schema_table *table = ECC_NEW(arena, struct ecc_schema_table);
        *table = (struct ecc_schema_table){.name = from->name, .kept = from->kept, .view = from->view, .span = from->span};
        for (size_t j = 0; j < from->columns.n; j++)
            ECC_PUSH(arena, &table->columns, from->columns.items[j]);
        for (size_t j = 0; j < from->constraints.n; j++)
            ECC_PUSH(arena, &table->constraints, from->constraints.items[j]);
        for (size_t j = 0; j < from->indexes.n; j++)
            ECC_PUSH(arena, &table->indexes, from->indexes.items[j]);
        ECC_PUSH(arena, &copy.tables, table);
    }
    return copy;
}

void ecc_schema_compare(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *service,
                        const struct ecc_schema *old, struct ecc_schema *next, struct ecc_schema_steps *out)
{
    struct ecc_diags unsaid;
    struct schema_diff d = {
        .arena = arena, .model = model, .service = service, .next = next, .old = copy_of(arena, old), .diags = &unsaid, .steps = out};

    ecc_diags_init(&unsaid, arena);
    schema_compare(&d);
}

void ecc_schema_diff(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *service, const struct ecc_schema *old,
                     struct ecc_schema *next, struct ecc_diags *diags, struct ecc_migrations *out)
{
    struct schema_diff d = {.arena = arena, .model = model, .service = service, .next = next, .old = copy_of(arena, old), .diags = diags};
    size_t errors = diags->errors;

    schema_compare(&d);
    if (diags->errors == errors)
        add_all(&d, out);
}
