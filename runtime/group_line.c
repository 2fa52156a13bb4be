/* A list with an end that is kept; memory is the units' owners'. */
#include "group_line.h"

/* After units have been taken from the middle. */
static void find_end(struct ec_group_line *line)
{
    for (line->end = &line->first; *line->end; line->end = &(*line->end)->next)
        ;
}

static void move(struct ec_group_unit **from, struct ec_group_unit ***to)
{
    struct ec_group_unit *unit = *from;

    *from = unit->next;
    unit->next = NULL;
    **to = unit;
    *to = &unit->next;
}

void ec_group_line_add(struct ec_group_line *line, struct ec_group_unit *unit)
{
    if (!line->first)
        line->end = &line->first;
    unit->next = NULL;
    *line->end = unit;
    line->end = &unit->next;
}

void ec_group_line_back(struct ec_group_line *line, struct ec_group_unit *units)
{
    struct ec_group_unit **end = &units;

    for (; *end; end = &(*end)->next)
        ;
    *end = line->first;
    if (!line->first)
        line->end = end;
    line->first = units;
}

static int size_of(const struct ec_group_unit *unit)
{
    const struct ec_group_statement *statement;
    int n = unit->sql != NULL;

    for (statement = unit->statements; statement; statement = statement->next)
        n++;
    return n;
}

struct ec_group_unit *ec_group_line_take(struct ec_group_line *line, bool alone, bool opens, int room, int *sent)
{
    struct ec_group_unit *taken = NULL, **end = &taken, **at = &line->first, *unit;

    while ((unit = *at)) {
        if (unit->alone != alone || (unit->opened != NULL) != opens) {
            at = &unit->next;
            continue;
        }
        if (*sent && *sent + size_of(unit) > room)
            break;
        *sent += size_of(unit);
        move(at, &end);
    }
    find_end(line);
    return taken;
}

struct ec_group_unit *ec_group_line_expired(struct ec_group_line *line, uint64_t now, bool all)
{
    struct ec_group_unit *taken = NULL, **end = &taken, **at = &line->first, *unit;

    while ((unit = *at)) {
        if (all || now >= unit->deadline_ns)
            move(at, &end);
        else
            at = &unit->next;
    }
    find_end(line);
    return taken;
}
