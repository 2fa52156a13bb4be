/* Functions: which one PostgreSQL would take, what it gives, and when that is null. */
#include "sql_internal.h"

#include <string.h>

/* What is known of null. A function that is in none of these lists may give null whatever it gets. */
/* Null when an argument is. */
static const char *const strict[] = {
    "abs",
    "age",
    "array_to_json",
    "array_to_string",
    "ascii",
    "avg",
    "bit_length",
    "bool_and",
    "bool_or",
    "btrim",
    "cardinality",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "chr",
    "date_bin",
    "date_part",
    "date_trunc",
    "decode",
    "div",
    "encode",
    "every",
    "exp",
    "extract",
    "first_value",
    "floor",
    "generate_series",
    "hashtext",
    "hashtextextended",
    "initcap",
    "isfinite",
    "json_array_elements",
    "json_array_length",
    "jsonb_array_elements",
    "jsonb_array_length",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_pretty",
    "jsonb_set",
    "jsonb_strip_nulls",
    "jsonb_typeof",
    "justify_interval",
    "last_value",
    "left",
    "length",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "make_interval",
    "make_timestamptz",
    "max",
    "md5",
    "min",
    "mod",
    "ntile",
    "octet_length",
    "overlay",
    "position",
    "power",
    "quote_ident",
    "quote_literal",
    "regexp_count",
    "regexp_replace",
    "regexp_split_to_table",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_to_json",
    "rpad",
    "rtrim",
    "setval",
    "sha256",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "string_agg",
    "string_to_table",
    "strpos",
    "substr",
    "sum",
    "to_char",
    "to_hex",
    "to_json",
    "to_jsonb",
    "to_timestamp",
    "translate",
    "trunc",
    "ts_rank",
    "upper",
    "width_bucket",
    NULL,
};

/* Never. */
static const char *const never[] = {
    "array_agg",
    "clock_timestamp",
    "concat",
    "count",
    "cume_dist",
    "dense_rank",
    "gen_random_uuid",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "nextval",
    "now",
    "num_nonnulls",
    "num_nulls",
    "percent_rank",
    "pg_advisory_xact_lock",
    "pg_notify",
    "pg_try_advisory_xact_lock",
    "pi",
    "random",
    "rank",
    "row_number",
    "statement_timestamp",
    "transaction_timestamp",
    NULL,
};

/* When the first argument is. */
static const char *const by_first[] = {
    "concat_ws",
    "format",
    NULL,
};

/* Change something, or hold it. */
static const char *const writing[] = {
    "nextval", "pg_advisory_xact_lock", "pg_notify", "pg_try_advisory_xact_lock", "setval", NULL,
};

static bool one_of(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(*list, name) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the call */

struct call {
    const struct ecc_sql_node *body;
    const char *name;
    int64_t at;
    struct sql_value args[SQL_MOST_ARGUMENTS];
    size_t n;
    bool named; /* name => value, or VARIADIC: which argument is which is not followed */
    bool aggregate, over, nullable;
};

static void add_argument(struct sql_ctx *ctx, struct call *call, struct sql_value value)
{
    call->nullable |= value.nullable;
    if (call->n < SQL_MOST_ARGUMENTS)
        call->args[call->n++] = value;
    else if (value.param) /* not followed so far: let it have its type */
        sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
}

static void check_place(struct sql_ctx *ctx, struct sql_from *from, const struct call *call)
{
    bool window_only = sql_is_window_function(call->name) && !ecc_sql_bool(call->body, "agg_within_group"),
         window = call->over || window_only;

    if (!call->aggregate && !window)
        return;
    if (window_only && !call->over) {
        sql_problem(ctx, call->at, "add OVER (...)", "%s() is a window function", call->name);
        return;
    }
    if (from->place && (window || !from->aggregates))
        sql_problem(ctx, call->at, NULL, "%s() can't stand in %s", call->name, from->place);
    if (!window)
        from->aggregated = true;
}

static void read_arguments(struct sql_ctx *ctx, struct sql_from *from, struct call *call)
{
    const struct ecc_sql_node *body = call->body, *over = ecc_sql_at(body, "over");
    const char *place = from->place;
    bool aggregates = from->aggregates;

    if (call->over)
        sql_stand(from, "the arguments of a window function", !place || aggregates);
    else if (call->aggregate)
        sql_stand(from, "the arguments of an aggregate", false);
    for ECC_SQL_EACH (arg, ecc_sql_at(body, "args")) {
        call->named |= ecc_sql_is(arg, "NamedArgExpr");
        add_argument(ctx, call, sql_expr(ctx, from, arg));
    }
    for ECC_SQL_EACH (item, ecc_sql_at(body, "agg_order")) {
        struct sql_value value = sql_key(ctx, from, ecc_sql_at(ecc_sql_body(item), "node"));
        if (ecc_sql_bool(body, "agg_within_group"))
            add_argument(ctx, call, value);
    }
    if (ecc_sql_at(body, "agg_filter"))
        sql_condition(ctx, from, ecc_sql_at(body, "agg_filter"), "FILTER");
    if (over) {
        sql_keys(ctx, from, ecc_sql_at(over, "partitionClause"));
        for ECC_SQL_EACH (item, ecc_sql_at(over, "orderClause"))
            sql_key(ctx, from, ecc_sql_at(ecc_sql_body(item), "node"));
    }
    sql_stand(from, place, aggregates);
}

/* "lower(int, text)" */
static const char *spelled(struct sql_ctx *ctx, const struct call *call)
{
    const char *text = "";

    for (size_t i = 0; i < call->n; i++)
        text = sql_format(ctx, "%s%s%s", text, i ? ", " : "", sql_describe(ctx, call->args[i]));
    return sql_format(ctx, "%s(%s)", call->name, text);
}

static struct sql_value no_function(struct sql_ctx *ctx, const struct call *call, enum sql_found found, const char *help)
{
    const char *near = found == SQL_NO_NAME ? sql_function_like(ctx, call->name) : NULL;

    if (found == SQL_NO_NAME)
        sql_problem(ctx, call->at, near ? sql_format(ctx, "did you mean `%s`?", near) : NULL, "there is no function `%s`", call->name);
    else if (found == SQL_AMBIGUOUS)
        sql_problem(ctx, call->at, "say by a cast what the arguments are", "`%s` could be several functions", spelled(ctx, call));
    else
        sql_problem(ctx, call->at, help ? help : "a cast makes an argument another type, `(...)::text`", "there is no function `%s`",
                    spelled(ctx, call));
    return sql_of(SQL_BAD, true);
}

/* min of an enum is one of its values; so is whatever gives one of its arguments. */
static bool gives_first(const struct call *call, const struct sql_choice *choice)
{
    static const char *const names[] = {"min", "max", "first_value", "last_value", "nth_value", "lag", "lead", NULL};

    return one_of(call->name, names) && call->n && choice->result == sql_value_letter(call->args[0]);
}

static struct sql_value resolve(struct sql_ctx *ctx, struct call *call, bool *rows)
{
    char own[SQL_MOST_ARGUMENTS], without[SQL_MOST_ARGUMENTS];
    struct sql_choice choice, other;
    bool params = false, known = !call->named && !ecc_sql_bool(call->body, "func_variadic");
    struct sql_value out;

    for (size_t i = 0; i < call->n; i++) {
        if (call->args[i].base == SQL_BAD)
            return sql_of(SQL_BAD, true);
        own[i] = sql_value_letter(call->args[i]);
        without[i] = call->args[i].param ? sql_letter("unknown") : own[i];
        known = known && own[i];
        params |= call->args[i].param != 0;
    }
    enum sql_found found = sql_choose_function(call->name, own, call->n, &choice);
    if (found == SQL_NO_NAME)
        return no_function(ctx, call, found, NULL);
    if (!known || found == SQL_UNKNOWABLE) {
        for (size_t i = 0; i < call->n; i++)
            sql_want_cast(ctx, call->args[i], SQL_CAST_ALWAYS);
        return sql_of_letter(ctx, sql_only_result(call->name), true);
    }
    enum sql_found bare = params ? sql_choose_function(call->name, without, call->n, &other) : SQL_NO_MATCH;
    if (found != SQL_FOUND)
        return no_function(ctx, call, found, bare == SQL_FOUND ? sql_cast_params(ctx, call->args, call->n, &other) : NULL);
    if (params)
        sql_settle_params(ctx, call->args, call->n, &other, bare);
    *rows = choice.rows;
    for (size_t i = 0; i < call->n; i++)
        sql_check_literal(ctx, choice.args[i], call->args[i], call->at);
    out = gives_first(call, &choice) ? call->args[0] : sql_of_letter(ctx, choice.result, false);
    out.param = 0;
    out.column = out.literal = NULL;
    return out;
}

/* A frame of its own may have no row in it. */
static bool has_frame(const struct ecc_sql_node *body)
{
    enum { NOT_THE_DEFAULT = 1 };
    const struct ecc_sql_node *over = ecc_sql_at(body, "over");

    return over && ((ecc_sql_int(over, "frameOptions") & NOT_THE_DEFAULT) || *ecc_sql_text(over, "name") || *ecc_sql_text(over, "refname"));
}

static bool is_nullable(const struct sql_from *from, const struct call *call)
{
    const char *name = call->name;
    bool nullable = true;

    if (one_of(name, never))
        nullable = false;
    else if (one_of(name, strict))
        nullable = call->nullable;
    else if (one_of(name, by_first))
        nullable = call->n && call->args[0].nullable;
    /* An aggregate over no rows is null; a group has at least one row, unless a filter leaves none. */
    if (call->aggregate && strcmp(name, "count") != 0 &&
        ((!call->over && !from->grouped) || ecc_sql_at(call->body, "agg_filter") || has_frame(call->body)))
        nullable = true;
    if ((strcmp(name, "first_value") == 0 || strcmp(name, "last_value") == 0) && has_frame(call->body))
        nullable = true;
    if ((strcmp(name, "lag") == 0 || strcmp(name, "lead") == 0) && call->n == 3)
        nullable = call->args[0].nullable || call->args[2].nullable;
    if (strcmp(name, "substring") == 0 && call->n > 1 && call->args[1].base == SQL_INT)
        nullable = call->nullable;
    if (strcmp(name, "current_setting") == 0 && call->n == 1)
        nullable = false;
    return nullable;
}

static struct sql_value function(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body, bool *rows)
{
    const struct ecc_sql_node *names = ecc_sql_at(body, "funcname");
    struct call call = {.body = body, .name = ecc_sql_string(names, names->n - 1), .at = ecc_sql_int(body, "location")};

    call.aggregate = sql_is_aggregate(call.name);
    call.over = ecc_sql_at(body, "over") != NULL;
    if (names->n > 1 && strcmp(ecc_sql_string(names, 0), "pg_catalog") != 0) {
        sql_problem(ctx, call.at, "a function is called by its name alone", "there is no function `%s.%s`", ecc_sql_string(names, 0),
                    call.name);
        return sql_of(SQL_BAD, true);
    }
    check_place(ctx, from, &call);
    read_arguments(ctx, from, &call);
    struct sql_value out = resolve(ctx, &call, rows);
    ctx->writes |= one_of(call.name, writing);
    out.nullable = is_nullable(from, &call);
    return out;
}

struct sql_value sql_function(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    bool rows = false;

    return function(ctx, from, body, &rows);
}

/* A function in FROM: one column named after its alias, or those that it is known to give. out NULL: they are listed in the query. */
void sql_function_columns(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *call, const char *alias,
                          struct sql_columns *out)
{
    const struct ecc_sql_node *names = ecc_sql_at(call, "funcname");
    const char *name = ecc_sql_string(names, names->n - 1), *place = from->place;
    bool aggregates = from->aggregates, each = strcmp(name, "jsonb_each") == 0 || strcmp(name, "json_each") == 0;
    bool each_text = strcmp(name, "jsonb_each_text") == 0 || strcmp(name, "json_each_text") == 0;
    bool rows = false;

    sql_stand(from, "FROM", false);
    struct sql_value value = function(ctx, from, call, &rows);
    sql_stand(from, place, aggregates);
    if (!out)
        return;
    if (each || each_text) {
        struct sql_value item = sql_of(each ? SQL_JSON : SQL_TEXT, each_text);
        item.pg = each && *name == 'j' && strcmp(name, "json_each") == 0 ? "json" : NULL;
        sql_add_column(ctx, out, "key", sql_of(SQL_TEXT, false));
        sql_add_column(ctx, out, "value", item);
        return;
    }
    if (rows && one_of(name, strict))
        value.nullable = false; /* null arguments give no row */
    /* Functions of PostgreSQL that return one column under a name of their own. */
    bool named = strstr(name, "array_elements") != NULL;
    sql_add_column(ctx, out, named ? "value" : *alias ? alias : name, value);
}
