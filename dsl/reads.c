/* Reading what another version wrote: see reads.h. Recursion ends where a record would be looked into for the MAX_DEPTH-th time. */
#include "reads.h"

#include <string.h>

#include "arena.h"
#include "types.h"

enum { MAX_DEPTH = 16 };

struct reading {
    struct ecc_arena *arena;
    bool growing;
    int depth;
};

static bool textual(enum ecc_type_kind kind)
{
    return kind == ECC_TYPE_TEXT || kind == ECC_TYPE_SECRET;
}

/* Does every value of `small` also look like one of `large`? */
static bool within(enum ecc_type_kind small, enum ecc_type_kind large)
{
    if (large == ECC_TYPE_JSON)
        return true;
    if (textual(large))
        return textual(small) || small == ECC_TYPE_UUID || small == ECC_TYPE_EMAIL || small == ECC_TYPE_ENUM || small == ECC_TYPE_TIME;
    return small == ECC_TYPE_INT && large == ECC_TYPE_FLOAT;
}

static bool same_form(const struct ecc_type *a, const struct ecc_type *b)
{
    return a->kind == b->kind || (textual(a->kind) && textual(b->kind));
}

int ecc_type_step(const struct ecc_type *old, const struct ecc_type *new_)
{
    int64_t old_min = old->bounded ? old->min : INT64_MIN, old_max = old->bounded ? old->max : INT64_MAX;
    int64_t new_min = new_->bounded ? new_->min : INT64_MIN, new_max = new_->bounded ? new_->max : INT64_MAX;

    if (!same_form(old, new_))
        return within(old->kind, new_->kind) ? 1 : -1;
    if (new_->kind != ECC_TYPE_INT) { /* a length is not below 0 */
        old_min = old_min < 0 ? 0 : old_min;
        new_min = new_min < 0 ? 0 : new_min;
    }
    if (new_min > old_min || new_max < old_max)
        return -1;
    return new_min < old_min || new_max > old_max;
}

const char *ecc_field_alias(const struct ecc_record *record, const struct ecc_field *field)
{
    if (!field->was || strcmp(field->name, field->wire) != 0) /* with `as` the wire knows nothing of the renaming */
        return NULL;
    for (size_t i = 0; i < record->nfields; i++)
        if (strcmp(record->fields[i].wire, field->was) == 0)
            return NULL;
    return field->was;
}

static const struct ecc_field *by_wire(const struct ecc_record *record, const char *wire)
{
    for (size_t i = 0; wire && i < record->nfields; i++)
        if (strcmp(record->fields[i].wire, wire) == 0)
            return &record->fields[i];
    return NULL;
}

/* The field that `field` of reader finds what it reads in: under its name, its old one, or one that the writer still sends beside. */
static const struct ecc_field *sent_as(const struct ecc_record *written, const struct ecc_record *reader, const struct ecc_field *field)
{
    const struct ecc_field *sent = by_wire(written, field->wire);

    if (!sent)
        sent = by_wire(written, ecc_field_alias(reader, field));
    for (size_t i = 0; i < written->nfields && !sent; i++) {
        const char *alias = ecc_field_alias(written, &written->fields[i]);
        if (alias && strcmp(alias, field->wire) == 0)
            sent = &written->fields[i];
    }
    return sent;
}

static const char *record_misread(struct reading *r, const struct ecc_record *reader, const struct ecc_record *written, const char *path);

static const char *enum_misread(const struct reading *r, const struct ecc_enum *reader, const struct ecc_enum *written, const char *path)
{
    if (r->growing || reader == written)
        return NULL;
    for (size_t i = 0; i < written->nvalues; i++) {
        bool found = false;
        for (size_t k = 0; k < reader->nvalues && !found; k++)
            found = strcmp(reader->values[k], written->values[i]) == 0;
        if (!found)
            return ecc_arena_printf(r->arena, "`%s` may be `%s`, which is not known", path, written->values[i]);
    }
    return NULL;
}

static const char *type_misread(struct reading *r, const struct ecc_type *reader, const struct ecc_type *written, const char *path)
{
    if (ECC_IS_UNKNOWN(reader) || ECC_IS_UNKNOWN(written))
        return NULL;
    if (reader->kind == ECC_TYPE_RECORD && written->kind == ECC_TYPE_RECORD)
        return record_misread(r, reader->record, written->record, ecc_arena_printf(r->arena, "%s.", path));
    if (reader->kind == ECC_TYPE_ENUM && written->kind == ECC_TYPE_ENUM)
        return enum_misread(r, reader->enum_, written->enum_, path);
    int step = ecc_type_step(written, reader);
    if (step < 0 && !(r->growing && same_form(written, reader)))
        return ecc_arena_printf(r->arena, "`%s` is %s, and was %s", path, ecc_type_name(r->arena, reader),
                                ecc_type_name(r->arena, written));
    if (reader->kind == ECC_TYPE_LIST && written->kind == ECC_TYPE_LIST)
        return type_misread(r, reader->item, written->item, ecc_arena_printf(r->arena, "%s[]", path));
    return NULL;
}

static const char *record_misread(struct reading *r, const struct ecc_record *reader, const struct ecc_record *written, const char *path)
{
    const char *wrong = NULL;

    if (reader == written || r->depth == MAX_DEPTH)
        return NULL;
    r->depth++;
    for (size_t i = 0; i < reader->nfields && !wrong; i++) {
        const struct ecc_field *field = &reader->fields[i], *sent = sent_as(written, reader, field);
        const char *name = ecc_arena_printf(r->arena, "%s%s", path, field->wire);
        bool needed = !field->type->optional && !field->dflt;
        if (sent && needed && sent->type->optional)
            wrong = ecc_arena_printf(r->arena, "`%s` is required, and could be absent", name);
        else if (sent)
            wrong = type_misread(r, field->type, sent->type, name);
        else if (needed)
            wrong = ecc_arena_printf(r->arena, "`%s` is required, and is not there", name);
    }
    r->depth--;
    return wrong;
}

const char *ecc_misread(struct ecc_arena *arena, const struct ecc_record *reader, const struct ecc_record *written, bool growing)
{
    struct reading r = {.arena = arena, .growing = growing};

    return record_misread(&r, reader, written, "");
}
