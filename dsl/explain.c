/* Finding and showing the pages. They are constant; what is cut out of one is in the caller's arena. */
#include "explain.h"

#include <string.h>

#include "arena.h"

const struct ecc_page *ecc_page(int code)
{
    for (size_t i = 0; i < ecc_npages; i++)
        if (ecc_pages[i].code == code)
            return &ecc_pages[i];
    return NULL;
}

static const char *after_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? end + 1 : line + strlen(line);
}

static bool starts(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Headings without their signs, examples by four spaces to the right. Anything else is text as it is. */
void ecc_page_write(const struct ecc_page *page, bool color, FILE *out)
{
    bool example = false;
    const char *next;

    for (const char *line = page->text; *line; line = next) {
        next = after_line(line);
        if (starts(line, "```")) {
            example = !example;
        } else if (example) {
            fprintf(out, "%s%.*s", *line == '\n' ? "" : "    ", (int)(next - line), line);
        } else if (*line == '#') {
            const char *text = line + strspn(line, "# ");
            fprintf(out, "%s%.*s%s\n", color ? "\033[1m" : "", (int)strcspn(text, "\n"), text, color ? "\033[0m" : "");
        } else {
            fwrite(line, 1, (size_t)(next - line), out);
        }
    }
}

static char *cut(struct ecc_arena *arena, const char *from, const char *to)
{
    return ecc_arena_printf(arena, "%.*s", (int)(to - from), from);
}

char *ecc_page_about(struct ecc_arena *arena, const struct ecc_page *page)
{
    const char *from = after_line(page->text), *to = strstr(from, "\n## ");

    from += strspn(from, "\n");
    if (!to)
        to = from + strlen(from);
    while (to > from && to[-1] == '\n')
        to--;
    return cut(arena, from, to);
}

char *ecc_page_example(struct ecc_arena *arena, const struct ecc_page *page, const char *section)
{
    const char *from = strstr(page->text, ecc_arena_printf(arena, "\n## %s\n", section));

    if (!from || !(from = strstr(from, "\n```")))
        return NULL;
    from = after_line(from + 1);
    const char *to = strstr(from, "```");
    return cut(arena, from, to ? to : from);
}
