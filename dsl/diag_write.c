/* Showing diagnostics: text for people, JSON, SARIF 2.1.0 and GitHub workflow commands for machines.
 *
 * Nothing here is kept: the sorted order lives for one call in the arena of the diagnostics. Source text is only ever shown through
 * put_source, which lets no control character reach a terminal. */
#include "diag.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "explain.h"
#include "source.h"

enum { MAX_SHOWN = 160 }; /* code points of a source line */

void ecc_diag_id(const struct ecc_diag *diag, char id[ECC_ID_SIZE])
{
    snprintf(id, ECC_ID_SIZE, "%c%04u", diag->severity == ECC_ERROR ? 'E' : 'W', (unsigned)diag->code % 10000);
}

struct id {
    char text[ECC_ID_SIZE];
};

static struct id id_of(const struct ecc_diag *diag)
{
    struct id id;

    ecc_diag_id(diag, id.text);
    return id;
}

static int by_place(const void *a, const void *b)
{
    const struct ecc_diag *x = *(struct ecc_diag *const *)a, *y = *(struct ecc_diag *const *)b;

    if (x->span.start != y->span.start)
        return x->span.start < y->span.start ? -1 : 1;
    if (x->span.end != y->span.end)
        return x->span.end < y->span.end ? -1 : 1;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    return strcmp(x->message, y->message);
}

static struct ecc_diag **sorted(const struct ecc_diags *diags)
{
    struct ecc_diag **order = ECC_NEW_ARRAY(diags->arena, struct ecc_diag *, diags->n);

    if (diags->n) {
        memcpy(order, diags->items, diags->n * sizeof *order);
        qsort(order, diags->n, sizeof *order, by_place);
    }
    return order;
}

void ecc_diags_sort(struct ecc_diags *diags)
{
    if (diags->n)
        qsort(diags->items, diags->n, sizeof *diags->items, by_place);
}

const struct ecc_diag *ecc_diags_first_error(const struct ecc_diags *diags)
{
    struct ecc_diag **order = sorted(diags);

    for (size_t i = 0; i < diags->n; i++)
        if (order[i]->severity == ECC_ERROR)
            return order[i];
    return NULL;
}

/* ------------------------------------------------------------------ text */

struct paint {
    const char *bold, *red, *yellow, *blue, *green, *off;
};

static const struct paint plain = {"", "", "", "", "", ""};
static const struct paint colors = {"\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;34m", "\033[1;32m", "\033[0m"};

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static void put_source(const char *p, const char *end, FILE *out)
{
    for (; p < end; p++)
        fputc(((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f ? '?' : *p, out);
}

/* The line of span.start with a gutter, and under it carets from span.start to span.end or the line's end. */
static void put_excerpt(const struct ecc_source *source, struct ecc_span span, int width, const struct paint *paint, const char *mark,
                        FILE *out)
{
    struct ecc_position at = ecc_source_position(source, span.start);
    const char *line = source->text + (source->nlines ? source->lines[at.line - 1] : 0);
    const char *end = line + strcspn(line, "\r\n");
    const char *from = source->text + (span.start < source->length ? span.start : source->length);
    const char *to = source->text + (span.end < source->length ? span.end : source->length);
    bool cut_before = false, cut_after = false, more = to > end;
    const char *first = line, *last = end;
    size_t shown = 0;

    if (from > end)
        from = end;
    if (to > end)
        to = end;
    /* A line that is too long is shown around the place. */
    if (end - line > MAX_SHOWN) {
        for (first = from; first > line && shown < MAX_SHOWN / 2; first--)
            shown += !continues(first[-1]);
        while (first > line && continues(*first))
            first--;
        for (last = from, shown = 0; last < end && shown < MAX_SHOWN / 2; last++)
            shown += !continues(*last);
        while (last < end && continues(*last))
            last++;
        cut_before = first > line;
        cut_after = last < end;
        if (to > last)
            to = last;
    }
    fprintf(out, "%s%*s |%s\n%s%*" PRIu32 " |%s ", paint->blue, width, "", paint->off, paint->blue, width, at.line, paint->off);
    fputs(cut_before ? "..." : "", out);
    put_source(first, last, out);
    fprintf(out, "%s\n%s%*s |%s %s", cut_after ? "..." : "", paint->blue, width, "", paint->off, cut_before ? "   " : "");
    for (const char *p = first; p < from; p++)
        if (!continues(*p))
            fputc(*p == '\t' ? '\t' : ' ', out);
    fputs(mark, out);
    fputc('^', out);
    for (const char *p = from; p < to; p++)
        if (p > from && !continues(*p))
            fputc('^', out);
    fprintf(out, "%s%s\n", more ? "..." : "", paint->off);
}

static int gutter(const struct ecc_source *source, const struct ecc_diag *diag)
{
    uint32_t line = ecc_source_position(source, diag->span.start).line;
    int width = 1;

    if (diag->has_second) {
        uint32_t second = ecc_source_position(source, diag->second.start).line;
        if (second > line)
            line = second;
    }
    for (; line >= 10; line /= 10)
        width++;
    return width;
}

static void put_text(const struct ecc_diag *diag, const struct ecc_source *source, const struct paint *paint, FILE *out)
{
    struct ecc_position at = ecc_source_position(source, diag->span.start);
    const char *mark = diag->severity == ECC_ERROR ? paint->red : paint->yellow;
    int width = gutter(source, diag);

    fprintf(out, "%s%s:%" PRIu32 ":%" PRIu32 ": %s%s%s[%s]%s:%s %s%s\n", paint->bold, source->path, at.line, at.column, paint->off, mark,
            diag->severity == ECC_ERROR ? "error" : "warning", id_of(diag).text, paint->off, paint->bold, diag->message, paint->off);
    put_excerpt(source, diag->span, width, paint, mark, out);
    if (diag->has_second) {
        struct ecc_position second = ecc_source_position(source, diag->second.start);
        fprintf(out, "%s:%" PRIu32 ":%" PRIu32 ": %snote:%s %s\n", source->path, second.line, second.column, paint->blue, paint->off,
                diag->second_label ? diag->second_label : "");
        put_excerpt(source, diag->second, width, paint, paint->blue, out);
    }
    if (diag->note)
        fprintf(out, "%snote:%s %s\n", paint->blue, paint->off, diag->note);
    if (diag->help)
        fprintf(out, "%shelp:%s %s\n", paint->green, paint->off, diag->help);
    fputc('\n', out);
}

/* ------------------------------------------------------------------ machine formats */

static void put_json_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

struct region {
    struct ecc_position start, end; /* end is exclusive */
};

static struct region region_of(const struct ecc_source *source, struct ecc_span span)
{
    return (struct region){ecc_source_position(source, span.start), ecc_source_position(source, span.end)};
}

static void put_json_place(const struct ecc_source *source, struct ecc_span span, FILE *out)
{
    struct region r = region_of(source, span);

    fprintf(out,
            "{\"line\": %" PRIu32 ", \"column\": %" PRIu32 ", \"end_line\": %" PRIu32 ", \"end_column\": %" PRIu32 ", \"start\": %" PRIu32
            ", \"end\": %" PRIu32,
            r.start.line, r.start.column, r.end.line, r.end.column, span.start, span.end);
}

static void write_json(struct ecc_diag **order, size_t n, const struct ecc_source *source, FILE *out)
{
    fputc('[', out);
    for (size_t i = 0; i < n; i++) {
        const struct ecc_diag *diag = order[i];

        fprintf(out, "%s\n  {\"code\": \"%s\", \"severity\": \"%s\", \"file\": ", i ? "," : "", id_of(diag).text,
                diag->severity == ECC_ERROR ? "error" : "warning");
        put_json_string(source->path, out);
        fputs(", \"message\": ", out);
        put_json_string(diag->message, out);
        fputs(",\n   \"place\": ", out);
        put_json_place(source, diag->span, out);
        fputc('}', out);
        if (diag->has_second) {
            fputs(",\n   \"second\": ", out);
            put_json_place(source, diag->second, out);
            fputs(", \"label\": ", out);
            put_json_string(diag->second_label ? diag->second_label : "", out);
            fputc('}', out);
        }
        if (diag->note) {
            fputs(",\n   \"note\": ", out);
            put_json_string(diag->note, out);
        }
        if (diag->help) {
            fputs(",\n   \"help\": ", out);
            put_json_string(diag->help, out);
        }
        if (diag->has_fix) {
            fputs(",\n   \"fix\": ", out);
            put_json_place(source, diag->fix_span, out);
            fputs(", \"text\": ", out);
            put_json_string(diag->fix_text, out);
            fputc('}', out);
        }
        fputc('}', out);
    }
    fputs(n ? "\n]\n" : "]\n", out);
}

/* A SARIF artifactLocation holds a URI reference. */
static void put_uri(const char *path, FILE *out)
{
    fputc('"', out);
    for (const char *p = path; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/", c))
            fputc(c, out);
        else
            fprintf(out, "%%%02X", c);
    }
    fputc('"', out);
}

static void put_sarif_region(const char *name, const struct ecc_source *source, struct ecc_span span, FILE *out)
{
    struct region r = region_of(source, span);

    fprintf(out, "\"%s\": {\"startLine\": %" PRIu32 ", \"startColumn\": %" PRIu32 ", \"endLine\": %" PRIu32 ", \"endColumn\": %" PRIu32 "}",
            name, r.start.line, r.start.column, r.end.line, r.end.column);
}

static void put_sarif_location(const struct ecc_source *source, struct ecc_span span, FILE *out)
{
    fputs("\"physicalLocation\": {\"artifactLocation\": {\"uri\": ", out);
    put_uri(source->path, out);
    fputs("}, ", out);
    put_sarif_region("region", source, span, out);
    fputc('}', out);
}

static bool is_used(struct ecc_diag **order, size_t n, int code)
{
    for (size_t i = 0; i < n; i++)
        if ((int)order[i]->code == code)
            return true;
    return false;
}

static void write_sarif(struct ecc_arena *arena, struct ecc_diag **order, size_t n, const struct ecc_source *source, FILE *out)
{
    const char *comma = "";

    fputs("{\n  \"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n  \"version\": \"2.1.0\",\n"
          "  \"runs\": [{\n    \"tool\": {\"driver\": {\"name\": \"ecomc\", \"rules\": [",
          out);
    for (size_t i = 0; i < ecc_npages; i++) {
        const struct ecc_page *page = &ecc_pages[i];

        if (!is_used(order, n, page->code))
            continue;
        fprintf(out, "%s\n      {\"id\": \"%s\", \"defaultConfiguration\": {\"level\": \"%s\"}, \"shortDescription\": {\"text\": ", comma,
                page->id, page->severity == ECC_ERROR ? "error" : "warning");
        put_json_string(page->title, out);
        fputs("},\n       \"help\": {\"text\": ", out);
        put_json_string(ecc_page_about(arena, page), out);
        fputs(", \"markdown\": ", out);
        put_json_string(page->text, out);
        fputs("}}", out);
        comma = ",";
    }
    fputs("]}},\n    \"columnKind\": \"unicodeCodePoints\",\n    \"results\": [", out);
    for (size_t i = 0; i < n; i++) {
        const struct ecc_diag *diag = order[i];

        fprintf(out, "%s\n      {\"ruleId\": \"%s\", \"level\": \"%s\", \"message\": {\"text\": ", i ? "," : "", id_of(diag).text,
                diag->severity == ECC_ERROR ? "error" : "warning");
        put_json_string(ecc_arena_printf(arena, "%s%s%s%s%s", diag->message, diag->note ? "\nnote: " : "", diag->note ? diag->note : "",
                                         diag->help ? "\nhelp: " : "", diag->help ? diag->help : ""),
                        out);
        fputs("},\n       \"locations\": [{", out);
        put_sarif_location(source, diag->span, out);
        fputs("}]", out);
        if (diag->has_second) {
            fputs(",\n       \"relatedLocations\": [{", out);
            put_sarif_location(source, diag->second, out);
            fputs(", \"message\": {\"text\": ", out);
            put_json_string(diag->second_label ? diag->second_label : "", out);
            fputs("}}]", out);
        }
        if (diag->has_fix) {
            fputs(",\n       \"fixes\": [{\"artifactChanges\": [{\"artifactLocation\": {\"uri\": ", out);
            put_uri(source->path, out);
            fputs("}, \"replacements\": [{", out);
            put_sarif_region("deletedRegion", source, diag->fix_span, out);
            fputs(", \"insertedContent\": {\"text\": ", out);
            put_json_string(diag->fix_text, out);
            fputs("}}]}]}]", out);
        }
        fputc('}', out);
    }
    fputs(n ? "\n    ]\n  }]\n}\n" : "]\n  }]\n}\n", out);
}

static void put_github(const char *text, bool property, FILE *out)
{
    for (const char *p = text; *p; p++) {
        if (*p == '%' || *p == '\r' || *p == '\n' || (property && (*p == ':' || *p == ',')))
            fprintf(out, "%%%02X", (unsigned char)*p);
        else
            fputc(*p, out);
    }
}

static void write_github(struct ecc_diag **order, size_t n, const struct ecc_source *source, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct ecc_diag *diag = order[i];
        struct region r = region_of(source, diag->span);

        fprintf(out, "::%s file=", diag->severity == ECC_ERROR ? "error" : "warning");
        put_github(source->path, true, out);
        fprintf(out, ",line=%" PRIu32 ",endLine=%" PRIu32, r.start.line, r.end.line);
        if (r.start.line == r.end.line) /* columns of a range over lines are refused there */
            fprintf(out, ",col=%" PRIu32 ",endColumn=%" PRIu32, r.start.column, r.end.column);
        fprintf(out, ",title=%s::", id_of(diag).text);
        put_github(diag->message, false, out);
        if (diag->note) {
            fputs("%0Anote: ", out);
            put_github(diag->note, false, out);
        }
        if (diag->help) {
            fputs("%0Ahelp: ", out);
            put_github(diag->help, false, out);
        }
        fputc('\n', out);
    }
}

void ecc_diags_write(const struct ecc_diags *diags, const struct ecc_source *source, enum ecc_diag_format format, bool color, FILE *out)
{
    struct ecc_diag **order = sorted(diags);
    size_t kept = 0;

    switch (format) {
    case ECC_FORMAT_TEXT:
        for (size_t i = 0; i < diags->n; i++) {
            put_text(order[i], source, color ? &colors : &plain, out);
            kept += order[i]->severity == ECC_ERROR;
        }
        if (diags->errors > kept)
            fprintf(out, "%zu more errors are not shown\n", diags->errors - kept);
        return;
    case ECC_FORMAT_JSON:
        write_json(order, diags->n, source, out);
        return;
    case ECC_FORMAT_SARIF:
        write_sarif(diags->arena, order, diags->n, source, out);
        return;
    case ECC_FORMAT_GITHUB:
        write_github(order, diags->n, source, out);
        return;
    }
}
