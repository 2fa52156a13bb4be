/* A plan as text for a terminal, as Markdown for a review, as JSON for programs (docs/plan.md). */
#include <stdio.h>

#include "internal.h"

static const char *const class_words[] = {
#define X(e, word) word,
    ECC_PLAN_CLASSES(X)
#undef X
};

static const char *const change_words[] = {
#define X(e, word) word,
    ECC_PLAN_CHANGES(X)
#undef X
};

static const char *const file_words[] = {"add", "change", "remove"};

struct plan {
    const struct ecc_plan_report *report;
    const struct ecc_comparison *comparison;
    struct ecc_writer *w;
    struct ecc_arena *arena;
};

/* ------------------------------------------------------------------ shared */

static const char *summary(const struct plan *p)
{
    const size_t *n = p->comparison->counts;

    if (!p->comparison->differences.n)
        return "no difference";
    return ecc_arena_printf(p->arena, "%zu breaking, %zu destructive, %zu other", n[ECC_CLASS_BREAKING], n[ECC_CLASS_DESTRUCTIVE],
                            n[ECC_CLASS_BEHAVIOUR] + n[ECC_CLASS_SAFE]);
}

static unsigned line_of(const struct plan *p, const struct ecc_difference *d, const char **path)
{
    const struct ecc_source *source = d->old ? p->report->old : p->report->new_;

    *path = source ? source->path : "";
    return source ? ecc_source_position(source, d->span.start).line : 0;
}

static const char *sentence(const struct plan *p, const struct ecc_difference *d)
{
    const struct ecc_difference_traits *traits = ecc_difference_traits(p->arena, d->kind);

    return ecc_arena_printf(p->arena, "%s: %s%s%s", d->subject, d->what, traits->consequence ? "; " : "",
                            traits->consequence ? traits->consequence : "");
}

static const char *folder_of_migration(const struct ecc_file_change *file, const char **name, int *length)
{
    const char *at = strstr(file->path, "/migrations/"), *end = strstr(file->path, ".up.sql");

    if (file->kind != ECC_CHANGE_ADD || !at || !end)
        return NULL;
    *name = at + strlen("/migrations/");
    *length = (int)(end - *name);
    return at;
}

/* "thing-svc 000002_add_things_note" */
static const char *migration_of(const struct plan *p, const struct ecc_file_change *file)
{
    const char *name;
    int length;
    const char *at = folder_of_migration(file, &name, &length);

    return at ? ecc_arena_printf(p->arena, "%.*s %.*s", (int)(at - file->path), file->path, length, name) : NULL;
}

/* ------------------------------------------------------------------ text */

static void write_text(const struct plan *p)
{
    const struct ecc_comparison *c = p->comparison;
    struct ecc_writer *w = p->w;
    const char *path;

    ecc_wl(w, "%s", summary(p));
    for (size_t i = 0; i < c->differences.n; i++) {
        const struct ecc_difference *d = &c->differences.items[i];
        enum ecc_plan_class class_ = ecc_difference_traits(p->arena, d->kind)->class_;
        if (!i || ecc_difference_traits(p->arena, c->differences.items[i - 1].kind)->class_ != class_)
            ecc_w(w, "\n%s\n", class_words[class_]);
        unsigned line = line_of(p, d, &path);
        ecc_wl(w, "  %s:%u: %s", path, line, sentence(p, d));
    }
    if (p->report->refused)
        ecc_w(w, "\n`ecomc build` refuses it: %s\n", p->report->refused);
    for (size_t i = 0; i < c->order.n; i++)
        ecc_w(w, "%s  %s before %s\n", i ? "" : "\norder\n", c->order.items[i].first, c->order.items[i].then);
    if (c->files.n)
        ecc_w(w, "\ngenerated/\n");
    for (size_t i = 0; i < c->files.n; i++)
        ecc_wl(w, "  %-6s %s +%zu -%zu", file_words[c->files.items[i].kind], c->files.items[i].path, c->files.items[i].added,
               c->files.items[i].removed);
    for (size_t i = 0, said = 0; i < c->files.n; i++) {
        const char *migration = migration_of(p, &c->files.items[i]);
        if (migration)
            ecc_w(w, "%s  %s\n", said++ ? "" : "\nmigrations\n", migration);
    }
}

/* ------------------------------------------------------------------ Markdown */

/* What would end a cell, or be taken for a tag. */
static const char *cell(struct ecc_arena *arena, const char *text)
{
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    for (; *text; text++) {
        if (*text == '|')
            ecc_w_text(&w, "\\|", 2);
        else if (*text == '<')
            ecc_w_text(&w, "&lt;", 4);
        else
            ecc_w_text(&w, text, 1);
    }
    return w.data;
}

static size_t write_rows(const struct plan *p, bool safe)
{
    const struct ecc_comparison *c = p->comparison;
    size_t rows = 0;
    const char *path;

    for (size_t i = 0; i < c->differences.n; i++) {
        const struct ecc_difference *d = &c->differences.items[i];
        enum ecc_plan_class class_ = ecc_difference_traits(p->arena, d->kind)->class_;
        if ((class_ == ECC_CLASS_SAFE) != safe)
            continue;
        if (!rows++)
            ecc_w(p->w, "| class | place | change |\n|---|---|---|\n");
        unsigned line = line_of(p, d, &path);
        ecc_w(p->w, "| %s%s%s | %s:%u | %s |\n", class_ <= ECC_CLASS_DESTRUCTIVE ? "**" : "", class_words[class_],
              class_ <= ECC_CLASS_DESTRUCTIVE ? "**" : "", cell(p->arena, path), line, cell(p->arena, sentence(p, d)));
    }
    return rows;
}

static void write_md(const struct plan *p)
{
    const struct ecc_comparison *c = p->comparison;
    struct ecc_writer *w = p->w;
    size_t added = 0, removed = 0, migrations = 0;

    ecc_w(w, "### Topology: %s\n\nAgainst `%s`.\n", summary(p), p->report->against);
    if (p->report->refused)
        ecc_w(w, "\n`ecomc build` refuses it: %s\n", cell(p->arena, p->report->refused));
    ecc_w_blank(w);
    write_rows(p, false);
    if (c->counts[ECC_CLASS_SAFE]) {
        ecc_w(w, "\n<details><summary>%zu safe</summary>\n\n", c->counts[ECC_CLASS_SAFE]);
        write_rows(p, true);
        ecc_w(w, "\n</details>\n");
    }
    for (size_t i = 0; i < c->order.n; i++)
        ecc_w(w, "%s%s before %s%s", i ? ", " : "\nOrder: ", c->order.items[i].first, c->order.items[i].then, i + 1 < c->order.n ? "" : "\n");
    for (size_t i = 0; i < c->files.n; i++) {
        const char *migration = migration_of(p, &c->files.items[i]);
        added += c->files.items[i].added;
        removed += c->files.items[i].removed;
        if (migration)
            ecc_w(w, "%sMigration `%s`\n", migrations++ ? "" : "\n", migration);
    }
    if (!c->files.n)
        return;
    ecc_w(w, "\n<details><summary>%zu file%s of generated/, +%zu -%zu</summary>\n\n| file | + | - |\n|---|---|---|\n", c->files.n,
          c->files.n == 1 ? "" : "s", added, removed);
    for (size_t i = 0; i < c->files.n; i++)
        ecc_w(w, "| %s `%s` | %zu | %zu |\n", file_words[c->files.items[i].kind], c->files.items[i].path, c->files.items[i].added,
              c->files.items[i].removed);
    ecc_w(w, "\n</details>\n");
}

/* ------------------------------------------------------------------ JSON */

#define J(p, text) ecc_quote_json((p)->arena, text)

static const char *or_null(const struct plan *p, const char *text)
{
    return text ? J(p, text) : "null";
}

static void write_json(const struct plan *p)
{
    const struct ecc_comparison *c = p->comparison;
    struct ecc_writer *w = p->w;
    const char *path, *first = "";

    w->width = 2;
    ecc_w_open(w, "{");
    ecc_wl(w, "\"version\": 1,");
    ecc_wl(w, "\"against\": %s,", J(p, p->report->against));
    ecc_wl(w, "\"refused\": %s,", or_null(p, p->report->refused));
    ecc_w(w, "\"summary\": {");
    for (int i = 0; i < ECC_NCLASSES; i++)
        ecc_w(w, "%s\"%s\": %zu", i ? ", " : "", class_words[i], c->counts[i]);
    ecc_wl(w, "},");
    ecc_w_open(w, "\"differences\": [");
    for (size_t i = 0; i < c->differences.n; i++) {
        const struct ecc_difference *d = &c->differences.items[i];
        const struct ecc_difference_traits *traits = ecc_difference_traits(p->arena, d->kind);
        unsigned line = line_of(p, d, &path);
        ecc_wl(w,
               "{\"class\": %s, \"change\": %s, \"kind\": %s, \"subject\": %s, \"what\": %s, \"consequence\": %s, \"side\": %s, \"file\": "
               "%s, \"line\": %u}%s",
               J(p, class_words[traits->class_]), J(p, change_words[traits->change]), J(p, traits->name), J(p, d->subject), J(p, d->what),
               or_null(p, traits->consequence), d->old ? "\"old\"" : "\"new\"", J(p, path), line, i + 1 < c->differences.n ? "," : "");
    }
    ecc_w_close(w, "],");
    ecc_w(w, "\"order\": [");
    for (size_t i = 0; i < c->order.n; i++)
        ecc_w(w, "%s{\"first\": %s, \"then\": %s}", i ? ", " : "", J(p, c->order.items[i].first), J(p, c->order.items[i].then));
    ecc_wl(w, "],");
    ecc_w_open(w, "\"files\": [");
    for (size_t i = 0; i < c->files.n; i++)
        ecc_wl(w, "{\"path\": %s, \"change\": %s, \"added\": %zu, \"removed\": %zu}%s", J(p, c->files.items[i].path),
               J(p, file_words[c->files.items[i].kind]), c->files.items[i].added, c->files.items[i].removed, i + 1 < c->files.n ? "," : "");
    ecc_w_close(w, "],");
    ecc_w(w, "\"migrations\": [");
    for (size_t i = 0; i < c->files.n; i++) {
        const char *name;
        int length;
        const char *at = folder_of_migration(&c->files.items[i], &name, &length);
        if (!at)
            continue;
        const char *service = ecc_arena_strndup(p->arena, c->files.items[i].path, (size_t)(at - c->files.items[i].path));
        ecc_w(w, "%s{\"service\": %s, \"name\": %s}", first, J(p, service), J(p, ecc_arena_strndup(p->arena, name, (size_t)length)));
        first = ", ";
    }
    ecc_wl(w, "]");
    ecc_w_close(w, "}");
}

void ecc_plan_write(const struct ecc_plan_report *report, enum ecc_plan_format format, struct ecc_writer *w)
{
    struct plan p = {.report = report, .comparison = report->comparison, .w = w, .arena = w->arena};

    if (format == ECC_PLAN_MD)
        write_md(&p);
    else if (format == ECC_PLAN_JSON)
        write_json(&p);
    else
        write_text(&p);
}
