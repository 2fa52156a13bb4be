/* Functions: what each gives, and when it gives null.
 *
 * The table has those that a statement of a service is likely to use. Any other function is let through: the database knows it or
 * refuses the statement when it is prepared; here only its result has no type, and as a result column it needs a cast.
 */
#include "sql_internal.h"

#include <stdlib.h>
#include <string.h>

enum gives {
    G_INT, G_FLOAT, G_NUMERIC, G_BOOL, G_TEXT, G_UUID, G_TIME, G_JSON, G_INTERVAL, G_OTHER,
    G_SAME,    /* as the first argument */
    G_SECOND,  /* as the second */
    G_MATH,    /* numeric for numeric, else float */
    G_SUM, G_AVG,
};

enum nulls {
    N_STRICT, /* when an argument is */
    N_NEVER,
    N_ALWAYS, /* may give null whatever it gets */
    N_FIRST,  /* when the first argument is */
};

enum function_kind { K_PLAIN, K_AGGREGATE, K_WINDOW, K_SET, K_WRITES };

static const struct function {
    const char *name;
    enum gives gives;
    enum nulls nulls;
    enum function_kind kind;
    int least, most; /* arguments; most -1: any */
} functions[] = {
    {"abs", G_SAME, N_STRICT, K_PLAIN, 1, 1},
    {"age", G_INTERVAL, N_STRICT, K_PLAIN, 1, 2},
    {"array_agg", G_OTHER, N_NEVER, K_AGGREGATE, 1, 1},
    {"array_length", G_INT, N_ALWAYS, K_PLAIN, 2, 2},
    {"array_position", G_INT, N_ALWAYS, K_PLAIN, 2, 3},
    {"array_to_json", G_JSON, N_STRICT, K_PLAIN, 1, 2},
    {"array_to_string", G_TEXT, N_STRICT, K_PLAIN, 2, 3},
    {"ascii", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"avg", G_AVG, N_STRICT, K_AGGREGATE, 1, 1},
    {"bit_length", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"bool_and", G_BOOL, N_STRICT, K_AGGREGATE, 1, 1},
    {"bool_or", G_BOOL, N_STRICT, K_AGGREGATE, 1, 1},
    {"btrim", G_TEXT, N_STRICT, K_PLAIN, 1, 2},
    {"cardinality", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"ceil", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"ceiling", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"char_length", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"character_length", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"chr", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"clock_timestamp", G_TIME, N_NEVER, K_PLAIN, 0, 0},
    {"concat", G_TEXT, N_NEVER, K_PLAIN, 1, -1},
    {"concat_ws", G_TEXT, N_FIRST, K_PLAIN, 2, -1},
    {"count", G_INT, N_NEVER, K_AGGREGATE, 0, 1},
    {"cume_dist", G_FLOAT, N_NEVER, K_WINDOW, 0, 0},
    {"current_setting", G_TEXT, N_ALWAYS, K_PLAIN, 1, 2},
    {"date_bin", G_SECOND, N_STRICT, K_PLAIN, 3, 3},
    {"date_part", G_FLOAT, N_STRICT, K_PLAIN, 2, 2},
    {"date_trunc", G_SECOND, N_STRICT, K_PLAIN, 2, 3},
    {"decode", G_OTHER, N_STRICT, K_PLAIN, 2, 2},
    {"dense_rank", G_INT, N_NEVER, K_WINDOW, 0, 0},
    {"div", G_NUMERIC, N_STRICT, K_PLAIN, 2, 2},
    {"encode", G_TEXT, N_STRICT, K_PLAIN, 2, 2},
    {"every", G_BOOL, N_STRICT, K_AGGREGATE, 1, 1},
    {"exp", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"extract", G_NUMERIC, N_STRICT, K_PLAIN, 2, 2},
    {"first_value", G_SAME, N_STRICT, K_WINDOW, 1, 1},
    {"floor", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"format", G_TEXT, N_FIRST, K_PLAIN, 1, -1},
    {"gen_random_uuid", G_UUID, N_NEVER, K_PLAIN, 0, 0},
    {"generate_series", G_SAME, N_STRICT, K_SET, 2, 4},
    {"hashtext", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"hashtextextended", G_INT, N_STRICT, K_PLAIN, 2, 2},
    {"initcap", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"isfinite", G_BOOL, N_STRICT, K_PLAIN, 1, 1},
    {"json_agg", G_JSON, N_NEVER, K_AGGREGATE, 1, 1},
    {"json_array_elements", G_JSON, N_STRICT, K_SET, 1, 1},
    {"json_array_elements_text", G_TEXT, N_ALWAYS, K_SET, 1, 1},
    {"json_array_length", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"json_build_array", G_JSON, N_NEVER, K_PLAIN, 0, -1},
    {"json_build_object", G_JSON, N_NEVER, K_PLAIN, 0, -1},
    {"json_object_agg", G_JSON, N_NEVER, K_AGGREGATE, 2, 2},
    {"jsonb_agg", G_JSON, N_NEVER, K_AGGREGATE, 1, 1},
    {"jsonb_array_elements", G_JSON, N_STRICT, K_SET, 1, 1},
    {"jsonb_array_elements_text", G_TEXT, N_ALWAYS, K_SET, 1, 1},
    {"jsonb_array_length", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"jsonb_build_array", G_JSON, N_NEVER, K_PLAIN, 0, -1},
    {"jsonb_build_object", G_JSON, N_NEVER, K_PLAIN, 0, -1},
    {"jsonb_extract_path", G_JSON, N_ALWAYS, K_PLAIN, 1, -1},
    {"jsonb_extract_path_text", G_TEXT, N_ALWAYS, K_PLAIN, 1, -1},
    {"jsonb_insert", G_JSON, N_STRICT, K_PLAIN, 3, 4},
    {"jsonb_object", G_JSON, N_STRICT, K_PLAIN, 1, 2},
    {"jsonb_object_agg", G_JSON, N_NEVER, K_AGGREGATE, 2, 2},
    {"jsonb_object_keys", G_TEXT, N_STRICT, K_SET, 1, 1},
    {"jsonb_path_exists", G_BOOL, N_ALWAYS, K_PLAIN, 2, 4},
    {"jsonb_path_query", G_JSON, N_STRICT, K_SET, 2, 4},
    {"jsonb_path_query_array", G_JSON, N_ALWAYS, K_PLAIN, 2, 4},
    {"jsonb_path_query_first", G_JSON, N_ALWAYS, K_PLAIN, 2, 4},
    {"jsonb_pretty", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"jsonb_set", G_JSON, N_STRICT, K_PLAIN, 3, 4},
    {"jsonb_strip_nulls", G_JSON, N_STRICT, K_PLAIN, 1, 1},
    {"jsonb_typeof", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"justify_interval", G_INTERVAL, N_STRICT, K_PLAIN, 1, 1},
    {"lag", G_SAME, N_ALWAYS, K_WINDOW, 1, 3},
    {"last_value", G_SAME, N_STRICT, K_WINDOW, 1, 1},
    {"lead", G_SAME, N_ALWAYS, K_WINDOW, 1, 3},
    {"left", G_TEXT, N_STRICT, K_PLAIN, 2, 2},
    {"length", G_INT, N_STRICT, K_PLAIN, 1, 2},
    {"ln", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"log", G_MATH, N_STRICT, K_PLAIN, 1, 2},
    {"lower", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"lpad", G_TEXT, N_STRICT, K_PLAIN, 2, 3},
    {"ltrim", G_TEXT, N_STRICT, K_PLAIN, 1, 2},
    {"make_interval", G_INTERVAL, N_STRICT, K_PLAIN, 0, 7},
    {"make_timestamptz", G_TIME, N_STRICT, K_PLAIN, 6, 7},
    {"max", G_SAME, N_STRICT, K_AGGREGATE, 1, 1},
    {"md5", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"min", G_SAME, N_STRICT, K_AGGREGATE, 1, 1},
    {"mod", G_SAME, N_STRICT, K_PLAIN, 2, 2},
    {"nextval", G_INT, N_NEVER, K_WRITES, 1, 1},
    {"now", G_TIME, N_NEVER, K_PLAIN, 0, 0},
    {"nth_value", G_SAME, N_ALWAYS, K_WINDOW, 2, 2},
    {"ntile", G_INT, N_STRICT, K_WINDOW, 1, 1},
    {"num_nonnulls", G_INT, N_NEVER, K_PLAIN, 1, -1},
    {"num_nulls", G_INT, N_NEVER, K_PLAIN, 1, -1},
    {"octet_length", G_INT, N_STRICT, K_PLAIN, 1, 1},
    {"overlay", G_TEXT, N_STRICT, K_PLAIN, 3, 4},
    {"percent_rank", G_FLOAT, N_NEVER, K_WINDOW, 0, 0},
    {"pg_advisory_xact_lock", G_OTHER, N_NEVER, K_WRITES, 1, 2},
    {"pg_notify", G_OTHER, N_NEVER, K_WRITES, 2, 2},
    {"pg_try_advisory_xact_lock", G_BOOL, N_NEVER, K_WRITES, 1, 2},
    {"pi", G_FLOAT, N_NEVER, K_PLAIN, 0, 0},
    {"position", G_INT, N_STRICT, K_PLAIN, 2, 2},
    {"power", G_MATH, N_STRICT, K_PLAIN, 2, 2},
    {"quote_ident", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"quote_literal", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"random", G_FLOAT, N_NEVER, K_PLAIN, 0, 0},
    {"rank", G_INT, N_NEVER, K_WINDOW, 0, 0},
    {"regexp_count", G_INT, N_STRICT, K_PLAIN, 2, 4},
    {"regexp_replace", G_TEXT, N_STRICT, K_PLAIN, 3, 6},
    {"regexp_split_to_table", G_TEXT, N_STRICT, K_SET, 2, 3},
    {"regexp_substr", G_TEXT, N_ALWAYS, K_PLAIN, 2, 6},
    {"repeat", G_TEXT, N_STRICT, K_PLAIN, 2, 2},
    {"replace", G_TEXT, N_STRICT, K_PLAIN, 3, 3},
    {"reverse", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"right", G_TEXT, N_STRICT, K_PLAIN, 2, 2},
    {"round", G_MATH, N_STRICT, K_PLAIN, 1, 2},
    {"row_number", G_INT, N_NEVER, K_WINDOW, 0, 0},
    {"row_to_json", G_JSON, N_STRICT, K_PLAIN, 1, 2},
    {"rpad", G_TEXT, N_STRICT, K_PLAIN, 2, 3},
    {"rtrim", G_TEXT, N_STRICT, K_PLAIN, 1, 2},
    {"setval", G_INT, N_STRICT, K_WRITES, 2, 3},
    {"sha256", G_OTHER, N_STRICT, K_PLAIN, 1, 1},
    {"sign", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"split_part", G_TEXT, N_STRICT, K_PLAIN, 3, 3},
    {"sqrt", G_MATH, N_STRICT, K_PLAIN, 1, 1},
    {"starts_with", G_BOOL, N_STRICT, K_PLAIN, 2, 2},
    {"statement_timestamp", G_TIME, N_NEVER, K_PLAIN, 0, 0},
    {"stddev", G_MATH, N_ALWAYS, K_AGGREGATE, 1, 1},
    {"string_agg", G_TEXT, N_STRICT, K_AGGREGATE, 2, 2},
    {"string_to_table", G_TEXT, N_STRICT, K_SET, 2, 3},
    {"strpos", G_INT, N_STRICT, K_PLAIN, 2, 2},
    {"substr", G_TEXT, N_STRICT, K_PLAIN, 2, 3},
    {"substring", G_TEXT, N_ALWAYS, K_PLAIN, 2, 3},
    {"sum", G_SUM, N_STRICT, K_AGGREGATE, 1, 1},
    {"to_char", G_TEXT, N_STRICT, K_PLAIN, 2, 2},
    {"to_hex", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"to_json", G_JSON, N_STRICT, K_PLAIN, 1, 1},
    {"to_jsonb", G_JSON, N_STRICT, K_PLAIN, 1, 1},
    {"to_timestamp", G_TIME, N_STRICT, K_PLAIN, 1, 2},
    {"transaction_timestamp", G_TIME, N_NEVER, K_PLAIN, 0, 0},
    {"translate", G_TEXT, N_STRICT, K_PLAIN, 3, 3},
    {"trunc", G_MATH, N_STRICT, K_PLAIN, 1, 2},
    {"ts_rank", G_FLOAT, N_STRICT, K_PLAIN, 2, 4},
    {"upper", G_TEXT, N_STRICT, K_PLAIN, 1, 1},
    {"uuid_generate_v4", G_UUID, N_NEVER, K_PLAIN, 0, 0},
    {"variance", G_MATH, N_ALWAYS, K_AGGREGATE, 1, 1},
    {"width_bucket", G_INT, N_STRICT, K_PLAIN, 4, 4},
};

static int by_name(const void *name, const void *function)
{
    return strcmp(name, ((const struct function *)function)->name);
}

static const struct function *find(const char *name)
{
    return bsearch(name, functions, sizeof functions / sizeof *functions, sizeof *functions, by_name);
}

static struct sql_value result(const struct function *f, struct sql_value first, struct sql_value second)
{
    static const enum sql_base bases[] = {
        [G_INT] = SQL_INT,   [G_FLOAT] = SQL_FLOAT, [G_NUMERIC] = SQL_NUMERIC, [G_BOOL] = SQL_BOOL,         [G_TEXT] = SQL_TEXT,
        [G_UUID] = SQL_UUID, [G_TIME] = SQL_TIME,   [G_JSON] = SQL_JSON,       [G_INTERVAL] = SQL_INTERVAL, [G_OTHER] = SQL_OTHER,
    };
    struct sql_value out = sql_of(SQL_UNKNOWN, false);

    switch (f->gives) {
    case G_SAME:
        out = first;
        break;
    case G_SECOND:
        out = second;
        break;
    case G_MATH:
        if (first.base == SQL_BAD || first.base == SQL_UNKNOWN)
            out.base = first.base;
        else
            out.base = first.base == SQL_NUMERIC || second.base == SQL_INT ? SQL_NUMERIC : SQL_FLOAT;
        break;
    case G_SUM:
        out = sql_of(first.base, false);
        if (first.base == SQL_INT && !(first.pg && (strcmp(first.pg, "int4") == 0 || strcmp(first.pg, "int2") == 0)))
            out.base = SQL_NUMERIC; /* of bigint */
        break;
    case G_AVG:
        out.base = first.base == SQL_INT ? SQL_NUMERIC : first.base;
        break;
    default:
        out.base = bases[f->gives];
        if (out.base == SQL_OTHER)
            out.pg = sql_is_number(first) ? "another type" : f->name;
    }
    if (out.base == SQL_UNTYPED)
        out.base = SQL_TEXT;
    out.param = 0;
    out.column = out.literal = NULL;
    return out;
}

static void check_arguments(struct sql_ctx *ctx, const struct function *f, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *args = ecc_sql_at(body, "args");
    int n = args ? (int)args->n : 0;

    if (ecc_sql_bool(body, "agg_within_group") || ecc_sql_bool(body, "func_variadic") || ecc_sql_bool(body, "agg_star"))
        return;
    if (n < f->least || (f->most >= 0 && n > f->most))
        sql_problem(ctx, ecc_sql_int(body, "location"), NULL, "%s() does not take %d argument%s", f->name, n, n == 1 ? "" : "s");
}

struct sql_value sql_function(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *names = ecc_sql_at(body, "funcname"), *over = ecc_sql_at(body, "over");
    const struct function *f = find(ecc_sql_string(names, names->n - 1));
    struct sql_value first = {0}, second = {0}, third = {0};
    bool nullable = false, any = false;
    size_t i = 0;

    /* Functions of any type can't tell what a parameter is; many others take an int4, which a bigint would not fit. */
    const char *name = ecc_sql_string(names, names->n - 1);
    bool any_type = strncmp(name, "json", 4) == 0 || strncmp(name, "concat", 6) == 0 || strncmp(name, "to_json", 7) == 0 ||
                    strcmp(name, "format") == 0 || strncmp(name, "num_", 4) == 0 || strcmp(name, "count") == 0 || strcmp(name, "md5") == 0;
    for ECC_SQL_EACH (arg, ecc_sql_at(body, "args")) {
        struct sql_value value = sql_expr(ctx, from, arg);
        if (any_type)
            sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
        *(i == 0 ? &first : i == 1 ? &second : &third) = value;
        any |= value.nullable;
        i++;
    }
    for ECC_SQL_EACH (item, ecc_sql_at(body, "agg_order"))
        sql_expr(ctx, from, ecc_sql_at(ecc_sql_body(item), "node"));
    if (ecc_sql_at(body, "agg_filter"))
        sql_condition(ctx, from, ecc_sql_at(body, "agg_filter"), "FILTER");
    if (over) {
        sql_exprs(ctx, from, ecc_sql_at(over, "partitionClause"));
        for ECC_SQL_EACH (item, ecc_sql_at(over, "orderClause"))
            sql_expr(ctx, from, ecc_sql_at(ecc_sql_body(item), "node"));
    }
    if (!f)
        return sql_of(SQL_UNKNOWN, true);
    check_arguments(ctx, f, body);
    if (f->kind == K_WRITES)
        ctx->writes = true;
    struct sql_value out = result(f, first, second);
    switch (f->nulls) {
    case N_STRICT:
        nullable = any;
        break;
    case N_ALWAYS:
        nullable = true;
        break;
    case N_FIRST:
        nullable = first.nullable;
        break;
    case N_NEVER:
        break;
    }
    /* An aggregate over no rows is null; a group has at least one row, unless a filter leaves none. */
    if (f->kind == K_AGGREGATE && strcmp(f->name, "count") != 0 && ((!over && !from->grouped) || ecc_sql_at(body, "agg_filter")))
        nullable = true;
    if (f->kind == K_WINDOW && i == 3)
        nullable = first.nullable || third.nullable;
    if (strcmp(f->name, "substring") == 0 && second.base == SQL_INT)
        nullable = any;
    if (strcmp(f->name, "current_setting") == 0 && i == 1)
        nullable = false;
    if (f->gives == G_OTHER && strcmp(f->name, "array_agg") == 0)
        out.pg = "an array";
    out.nullable = nullable;
    return out;
}

/* A function in FROM: one column named after its alias, or those that it is known to give. out NULL: they are listed in the query. */
void sql_function_columns(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *call, const char *alias,
                          struct sql_columns *out)
{
    const struct ecc_sql_node *names = ecc_sql_at(call, "funcname");
    const char *name = ecc_sql_string(names, names->n - 1);
    bool each = strcmp(name, "jsonb_each") == 0 || strcmp(name, "json_each") == 0;
    bool each_text = strcmp(name, "jsonb_each_text") == 0 || strcmp(name, "json_each_text") == 0;

    struct sql_value value = sql_function(ctx, from, call);
    if (!out)
        return;
    if (each || each_text) {
        sql_add_column(ctx, out, "key", sql_of(SQL_TEXT, false));
        sql_add_column(ctx, out, "value", sql_of(each ? SQL_JSON : SQL_TEXT, each_text));
        return;
    }
    const struct function *f = find(name);
    if (f && f->kind == K_SET)
        value.nullable = f->nulls == N_ALWAYS; /* null arguments give no row */
    /* Functions of PostgreSQL that return one column under a name of their own. */
    bool named = strstr(name, "array_elements") != NULL;
    sql_add_column(ctx, out, named ? "value" : *alias ? alias : name, value);
}
