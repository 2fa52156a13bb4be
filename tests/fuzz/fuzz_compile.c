/* libFuzzer: any bytes through the whole compiler, from the source to the files in memory. Nothing is written.
 *
 * Beside memory errors it looks for what must hold of every input:
 *  - every diagnostic lies within the source, and can be written;
 *  - a checked model always generates: codegen gives files, or a diagnostic that says why not;
 *  - with the lock that it asked for, the next compilation finds nothing new, and gives the same files and the same lock;
 *  - after releases that say something else (each has the text of another), there is a model that generates, or an error in the source.
 *
 * The last two are tried with a quarter of the inputs each, and each writes one format of diagnostics. Inputs are changed as mutate.c
 * says. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "lock.h"
#include "share.h"
#include "source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static void check_diags(const struct ecc_diags *diags, const struct ecc_source *source, uint32_t chosen)
{
    static FILE *out;

    if (!out)
        out = fopen("/dev/null", "w");
    check(out, "/dev/null opens");
    for (size_t i = 0; i < diags->n; i++) {
        const struct ecc_diag *d = diags->items[i];
        check(d->span.start <= d->span.end && d->span.end <= source->length, "a diagnostic lies within the source");
        check(!d->has_second || (d->second.start <= d->second.end && d->second.end <= source->length), "so does its second place");
        check(!d->has_fix || (d->fix_span.start <= d->fix_span.end && d->fix_span.end <= source->length), "so does its fix");
    }
    ecc_diags_write(diags, source, (enum ecc_diag_format)(chosen % (ECC_FORMAT_GITHUB + 1)), chosen & 1 << 8, out);
}

static bool generate(struct ecc_codegen *cg)
{
    ecc_outset_init(cg->out, cg->arena);
    bool good = ecc_codegen(cg);

    check(!cg->out->error, cg->out->error);
    check(good == !cg->diags->errors, "generation fails with a diagnostic, and only then");
    check(!good || cg->new_lock, "what is generated has a lock");
    return good;
}

static void check_same(const struct ecc_codegen *a, const struct ecc_codegen *b)
{
    check(a->new_lock_length == b->new_lock_length && !memcmp(a->new_lock, b->new_lock, a->new_lock_length), "the lock stays");
    check(a->out->n == b->out->n, "the next generation has the same files");
    for (size_t i = 0; i < a->out->n; i++) {
        const struct ecc_outfile *x = &a->out->items[i], *y = ecc_outset_find(b->out, x->path);
        check(y && x->length == y->length && !memcmp(x->content, y->content, x->length), x->path);
    }
}

static void check_next(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_codegen *first)
{
    struct ecc_outset out;
    struct ecc_diags diags;
    const char *error;
    const struct ecc_lock *lock = ecc_lock_read(arena, first->new_lock, first->new_lock_length, &error);

    ecc_diags_init(&diags, arena);
    check(lock, "the lock can be read");
    const struct ecc_model *model = ecc_compile_after(arena, source, &lock->releases, &diags);
    check(model && !model->npast, "what was released is what is declared");
    struct ecc_codegen next = {.arena = arena, .model = model, .diags = &diags, .out = &out};
    next.lock = first->new_lock;
    next.lock_length = first->new_lock_length;
    check(generate(&next), "what generates once generates again");
    check_same(first, &next);
}

static void check_others(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_releases *releases, uint32_t chosen)
{
    struct ecc_releases others = {0};
    struct ecc_outset out;
    struct ecc_diags diags;

    ecc_diags_init(&diags, arena);
    for (size_t i = 0; i < releases->n; i++) {
        struct ecc_release other = releases->items[i];
        other.text = releases->items[(i + 1) % releases->n].text;
        ECC_PUSH(arena, &others, other);
    }
    const struct ecc_model *model = ecc_compile_after(arena, source, &others, &diags);
    check(!model == (diags.errors > 0), "there is a model, or an error");
    struct ecc_codegen cg = {.arena = arena, .model = model, .diags = &diags, .out = &out};
    if (model)
        generate(&cg);
    check_diags(&diags, source, chosen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ecc_arena arena;
    struct ecc_source source;
    struct ecc_diags diags;
    size_t at;
    uint32_t chosen = fuzz_hash(data, size);

    ecc_arena_init(&arena);
    ecc_diags_init(&diags, &arena);
    if (ecc_source_init(&source, &arena, "fuzz.ecom", (const char *)data, size, &at) == ECC_SOURCE_OK) {
        const struct ecc_model *model = ecc_compile(&arena, &source, &diags);
        check(!model == (diags.errors > 0), "there is a model, or an error");
        if (model) {
            struct ecc_outset first_out;
            struct ecc_codegen first = {.arena = &arena, .model = model, .diags = &diags, .out = &first_out};
            if (generate(&first)) {
                if (chosen >> 16 & 1 && chosen >> 17 & 1)
                    check_next(&arena, &source, &first);
                else if (chosen >> 16 & 1)
                    check_others(&arena, &source, &model->releases, chosen);
            }
        }
        check_diags(&diags, &source, chosen);
    }
    ecc_arena_free(&arena);
    return 0;
}
