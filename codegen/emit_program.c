/* Prints plans. The C is the plan act by act: an act that waits is an EC_AWAIT, so the function can be read from top to bottom; no local
 * lives over an await, every value is in the frame.
 *
 * The body is written first, into a buffer of its own, because only then it is known which static functions convert something for it.
 */
#include "emit_program.h"

#include <string.h>

#include "arena.h"

struct printer {
    struct ecc_shapes *shapes;
    struct ecc_arena *arena;
    const struct ecc_plan *plan;
    const struct ecc_program_shape *shape;
    struct ecc_exprs x;
    const char **steps; /* enumerators, as plan->steps */
    const char *start;  /* the enumerator of the beginning */
};

static void print_acts(struct printer *p, struct ecc_writer *w, const struct ecc_acts *acts);

/* ------------------------------------------------------------------ places */

static struct ecc_place program_place(const void *context, const struct ecc_var *var)
{
    const struct printer *p = context;
    const struct ecc_plan *plan = p->plan;
    const struct ecc_member *member = ecc_plan_member(plan, var);

    if (member) {
        bool item = member->kind == ECC_MEMBER_ITEM && var->type->kind == ECC_TYPE_RECORD;
        bool pointer = member->kind == ECC_MEMBER_VALUE && ecc_is_pointer(var->type);

        return (struct ecc_place){ecc_arena_printf(p->arena, "f->%s", member->name), item || pointer};
    }
    if (var->kind == ECC_VAR_SETTING)
        return ecc_place_setting(p->shapes, var);
    if (plan->kind == ECC_PLAN_CONSUMER)
        return (struct ecc_place){"f->in", false};
    if (plan->kind == ECC_PLAN_OP)
        return ecc_place_member(p->arena, "f->in.", var->name, var->type);
    if (var->kind == ECC_VAR_PARAM)
        return ecc_place_member(p->arena, "f->saga->in.", var->name, var->type);
    if (var->kind == ECC_VAR_STEP)
        return ecc_place_member(p->arena, "f->saga->", ecc_shapes_result(p->shapes, var), var->type);
    return ecc_place_member(p->arena, "f->saga->", var->name, var->type);
}

/* ------------------------------------------------------------------ what starts an operation */

static const struct ecc_type *type_of_record(struct ecc_arena *arena, const struct ecc_record *record)
{
    struct ecc_type *type = ECC_NEW(arena, struct ecc_type);

    type->kind = ECC_TYPE_RECORD;
    type->record = record;
    return type;
}

const char *ecc_call_args(struct ecc_exprs *x, const struct ecc_stmt *call, const char *out)
{
    const struct ecc_call_shape *shape = ecc_shapes_call(x->shapes, call->u.call.op, call->u.call.ext);
    const char *text = "";

    if (call->u.call.ext) {
        const char *key = call->u.call.key ? ecc_expr_as_text(x, call->u.call.key) : "(struct ec_str){0}";

        text = ecc_arena_printf(x->arena, ", %s", key);
    }
    if (shape->in)
        text = ecc_arena_printf(x->arena, "%s, %s", text,
                                ecc_expr_pointer(x, type_of_record(x->arena, shape->in->record), call->u.call.args));
    if (shape->out && out)
        text = ecc_arena_printf(x->arena, "%s, %s", text, out);
    else if (shape->out && call->u.call.op)
        text = ecc_arena_printf(x->arena, "%s, NULL", text); /* it is not even read */
    else if (shape->out)
        text = ecc_arena_printf(x->arena, "%s, EC_ALLOC(task, struct %s)", text, shape->out->name);
    return text;
}

static const char *sql_start(struct printer *p, const struct ecc_act *act)
{
    const struct ecc_sql *sql = act->stmt->u.sql;
    const struct ecc_sql_shape_of *shape = ecc_shapes_sql(p->shapes, sql);
    const char *text = ecc_arena_printf(p->arena, "%s(task", shape->function);

    for (size_t i = 0; i < sql->nparams; i++) {
        const struct ecc_expr *param = sql->params[i];
        bool pointer = param->type->kind == ECC_TYPE_RECORD || param->type->kind == ECC_TYPE_LIST;

        text = ecc_arena_printf(p->arena, "%s, %s", text,
                                pointer ? ecc_expr_pointer(&p->x, param->type, param) : ecc_expr_c(&p->x, param));
    }
    if (sql->shape != ECC_SQL_EXEC)
        text = ecc_arena_printf(p->arena, "%s, &f->%s", text, act->row ? act->row->name : act->member->name);
    return ecc_arena_printf(p->arena, "%s)", text);
}

static const char *cache_start(struct printer *p, const struct ecc_act *act)
{
    const struct ecc_keyspace *keyspace = act->stmt->u.cache.keyspace;
    const char *name = ecc_shapes_name(p->shapes, keyspace), *key = ecc_expr_as_text(&p->x, act->stmt->u.cache.key);

    if (act->stmt->kind == ECC_STMT_DROP)
        return ecc_arena_printf(p->arena, "ec_cache_drop(task, &%s, %s)", name, key);
    if (act->stmt->kind == ECC_STMT_GET)
        return ecc_arena_printf(p->arena, "ec_cache_get(task, &%s, %s, (void **)&f->%s)", name, key, act->member->name);
    return ecc_arena_printf(p->arena, "ec_cache_put(task, &%s, %s, %s)", name, key,
                            ecc_expr_pointer(&p->x, type_of_record(p->arena, keyspace->value), act->stmt->u.cache.value));
}

static const char *builtin_start(struct printer *p, const struct ecc_act *act)
{
    const struct ecc_stmt *stmt = act->stmt;
    const char *a = ecc_expr_as_text(&p->x, stmt->u.builtin.a);
    const char *out = act->member ? ecc_arena_printf(p->arena, "&f->%s", act->member->name) : NULL;

    if (stmt->kind == ECC_STMT_HASH)
        return ecc_arena_printf(p->arena, "ec_password_hash(task, %s, %s)", a, out ? out : "EC_ALLOC(task, struct ec_str)");
    if (stmt->kind == ECC_STMT_VERIFY)
        return ecc_arena_printf(p->arena, "ec_password_verify(task, %s, %s, %s)", a, ecc_expr_as_text(&p->x, stmt->u.builtin.b),
                                out ? out : "EC_ALLOC(task, bool)");
    if (stmt->kind == ECC_STMT_CLAIMS)
        return ecc_arena_printf(p->arena, "ec_jwt_verify(task, &jwt, %s, %s)", a, out ? out : "EC_ALLOC(task, struct ec_claims)");
    return ecc_arena_printf(p->arena, "ec_jwt_sign(task, &jwt, %s, %s, %s, %s)", a, ecc_expr_as_text(&p->x, stmt->u.builtin.b),
                            ecc_expr_c(&p->x, stmt->u.builtin.c), out ? out : "EC_ALLOC(task, struct ec_str)");
}

static const char *call_start(struct printer *p, const struct ecc_act *act)
{
    const struct ecc_stmt *stmt = act->stmt;
    const char *out = act->member ? ecc_arena_printf(p->arena, "&f->%s", act->member->name) : NULL;

    return ecc_arena_printf(p->arena, "%s(task%s)", ecc_shapes_call(p->shapes, stmt->u.call.op, stmt->u.call.ext)->function,
                            ecc_call_args(&p->x, stmt, out));
}

static const char *await_start(struct printer *p, const struct ecc_act *act)
{
    const struct ecc_expr *saga = act->stmt->u.await.saga;

    return ecc_arena_printf(p->arena, "ec_saga_await(task, &%s, &f->%s)", ecc_expr_c(&p->x, saga), act->member->name);
}

static const char *run_start(struct printer *p, const struct ecc_act *act)
{
    switch (act->stmt->kind) {
    case ECC_STMT_SQL:
        return sql_start(p, act);
    case ECC_STMT_CALL:
        return call_start(p, act);
    case ECC_STMT_AWAIT:
        return await_start(p, act);
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
        return cache_start(p, act);
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
        return builtin_start(p, act);
    case ECC_STMT_TX:
    case ECC_STMT_START:
    case ECC_STMT_PUBLISH:
    case ECC_STMT_NEW_ID:
    case ECC_STMT_LET:
    case ECC_STMT_FOR:
    case ECC_STMT_WHEN:
    case ECC_STMT_FAIL:
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        break;
    }
    return "";
}

/* ------------------------------------------------------------------ acts */

static const char *step_of(const struct printer *p, const struct ecc_act *act)
{
    for (size_t i = 0; i < p->plan->steps.n; i++)
        if (p->plan->steps.items[i] == act)
            return p->steps[i];
    return "";
}

static void print_await(struct printer *p, struct ecc_writer *w, const struct ecc_act *act, const char *start)
{
    const char *macro = act->catching ? "EC_AWAIT_CATCH" : "EC_AWAIT";

    ecc_wl(w, "%s(task, %s, %s);", macro, step_of(p, act), start);
}

/* A record without fields has no struct, so no member either. */
static bool is_empty(const struct printer *p, const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_RECORD && !ecc_shapes_record(p->shapes, type->record);
}

static void print_now(struct printer *p, struct ecc_writer *w, const struct ecc_act *act)
{
    const struct ecc_stmt *stmt = act->stmt;
    const char *value = "NULL";

    if (stmt->kind == ECC_STMT_NEW_ID) {
        ecc_wl(w, "f->%s = ec_new_id(task);", act->member->name);
    } else if (stmt->kind == ECC_STMT_LET && is_empty(p, stmt->let->type)) {
        return;
    } else if (stmt->kind == ECC_STMT_LET) {
        p->x.keeps = true;
        value = ecc_expr_fit(&p->x, stmt->let->type, stmt->u.expr);
        ecc_wl(w, "f->%s = %s;", act->member->name, value);
        p->x.keeps = false;
    } else if (stmt->kind == ECC_STMT_PUBLISH) {
        const struct ecc_event *event = stmt->u.publish.event;

        if (ecc_shapes_record(p->shapes, event->body))
            value = ecc_expr_pointer(&p->x, type_of_record(p->arena, event->body), stmt->u.publish.body);
        ecc_wl(w, "ec_publish(task, &%s, %s);", ecc_shapes_name(p->shapes, event), value);
    } else if (stmt->kind == ECC_STMT_SQL) {
        ecc_wl(w, "%s;", sql_start(p, act));
    } else {
        const struct ecc_saga_shape *saga = ecc_shapes_saga(p->shapes, stmt->u.start.saga);

        if (saga->in)
            value = ecc_expr_pointer(&p->x, type_of_record(p->arena, saga->saga->params), stmt->u.start.args);
        ecc_wl(w, "ec_saga_start(task, &%s, %s, &f->%s);", saga->name, value, act->member->name);
    }
}

static void print_body(struct printer *p, struct ecc_writer *w, const struct ecc_acts *body)
{
    w->indent++;
    print_acts(p, w, body);
    w->indent--;
}

static void print_if(struct printer *p, struct ecc_writer *w, const char *cond, const struct ecc_acts *body)
{
    ecc_wl(w, "if (%s) {", cond);
    print_body(p, w, body);
    ecc_wl(w, "}");
}

static void print_when(struct printer *p, struct ecc_writer *w, const struct ecc_act *act)
{
    ecc_wl(w, "if (%s) {", ecc_expr_c(&p->x, act->expr));
    print_body(p, w, &act->body);
    if (act->otherwise.n > 0) {
        ecc_wl(w, "} else {");
        print_body(p, w, &act->otherwise);
    }
    ecc_wl(w, "}");
}

static void print_for(struct printer *p, struct ecc_writer *w, const struct ecc_act *act)
{
    const struct ecc_expr *list = act->stmt->u.loop.list;
    const char *text, *at = act->index->name;
    bool pointer = list->type->item->kind == ECC_TYPE_RECORD;

    p->x.keeps = true;
    text = ecc_expr_c(&p->x, list);
    p->x.keeps = false;
    if (act->list) {
        ecc_wl(w, "f->%s = %s;", act->list->name, text);
        text = ecc_arena_printf(p->arena, "f->%s", act->list->name);
    }
    if (strchr(text, ' '))
        text = ecc_arena_printf(p->arena, "(%s)", text);
    ecc_wl(w, "for (f->%s = 0; f->%s < %s.n; f->%s++) {", at, at, text, at);
    w->indent++;
    ecc_wl(w, "f->%s = %s%s.v[f->%s];", act->member->name, pointer ? "&" : "", text, at);
    print_acts(p, w, &act->body);
    w->indent--;
    ecc_wl(w, "}");
}

static void print_caught(struct printer *p, struct ecc_writer *w, const struct ecc_act *act)
{
    for (size_t i = 0; i < act->ncatches; i++) {
        ecc_wl(w, "%sif (ec_caught(task, &%s)) {", i ? "} else " : "", ecc_shapes_error(p->shapes, act->catches[i].error));
        print_body(p, w, &act->catches[i].body);
    }
    ecc_wl(w, "}");
    ecc_wl(w, "EC_CHECK(task);");
}

static void print_end(struct ecc_writer *w, const struct ecc_act *act)
{
    ecc_wl(w, "%s(task, %s);", act->kind == ECC_ACT_ACCEPT ? "ec_accept" : "ec_reply", act->with_out ? "&f->out" : "NULL");
    ecc_wl(w, "return;");
}

static void print_act(struct printer *p, struct ecc_writer *w, const struct ecc_act *act)
{
    const char *cond;

    switch (act->kind) {
    case ECC_ACT_CLAIM:
        print_await(p, w, act, "ec_claim(task)");
        break;
    case ECC_ACT_BEGIN:
        print_await(p, w, act, act->shared ? "ec_tx_begin_shared(task)" : "ec_tx_begin(task)");
        break;
    case ECC_ACT_COMMIT:
        print_await(p, w, act, ecc_arena_printf(p->arena, "ec_tx_commit(task, %s, %s)", act->with_out ? "&f->out" : "NULL",
                                                act->last ? "true" : "false"));
        break;
    case ECC_ACT_RUN:
        print_await(p, w, act, run_start(p, act));
        break;
    case ECC_ACT_NOW:
        print_now(p, w, act);
        break;
    case ECC_ACT_TAKE:
        ecc_wl(w, "f->%s = task->rows > 0 ? &f->%s : NULL;", act->member->name, act->row->name);
        break;
    case ECC_ACT_EXPECT:
        ecc_wl(w, "EC_EXPECT_ROW(task);");
        break;
    case ECC_ACT_NO_ROW:
        print_if(p, w, "task->rows == 0", &act->body);
        break;
    case ECC_ACT_ABSENT:
        print_if(p, w, ecc_arena_printf(p->arena, "!f->%s", act->member->name), &act->body);
        break;
    case ECC_ACT_FOUND:
        cond = act->member ? ecc_arena_printf(p->arena, "f->%s", act->member->name) : "task->rows > 0";
        print_if(p, w, cond, &act->body);
        break;
    case ECC_ACT_LATE:
        print_if(p, w, ecc_arena_printf(p->arena, "f->%s", act->member->name), &act->body);
        break;
    case ECC_ACT_CAUGHT:
        print_caught(p, w, act);
        break;
    case ECC_ACT_FOR:
        print_for(p, w, act);
        break;
    case ECC_ACT_WHEN:
        print_when(p, w, act);
        break;
    case ECC_ACT_OUT:
        p->x.keeps = true;
        ecc_wl(w, "f->out = %s;", ecc_expr_fit(&p->x, p->plan->result, act->expr));
        p->x.keeps = false;
        break;
    case ECC_ACT_FAIL:
        ecc_wl(w, "ec_fail_with(task, &%s);", act->error ? ecc_shapes_error(p->shapes, act->error) : "ec_error_timeout");
        ecc_wl(w, "return;");
        break;
    case ECC_ACT_REPLY:
    case ECC_ACT_ACCEPT:
        print_end(w, act);
        break;
    }
}

static void print_acts(struct printer *p, struct ecc_writer *w, const struct ecc_acts *acts)
{
    for (size_t i = 0; i < acts->n; i++)
        print_act(p, w, acts->items[i]);
}

/* ------------------------------------------------------------------ frame, steps, function */

static const struct ecc_shape *input_shape(const struct printer *p)
{
    if (p->plan->kind == ECC_PLAN_OP)
        return ecc_shapes_record(p->shapes, p->plan->op->params);
    if (p->plan->kind == ECC_PLAN_CONSUMER)
        return ecc_shapes_record(p->shapes, p->plan->consumer->event->body);
    return NULL;
}

static const char *member_decl(struct printer *p, const struct ecc_member *m)
{
    const struct ecc_shape *shape = m->record ? ecc_shapes_record(p->shapes, m->record) : NULL;

    switch (m->kind) {
    case ECC_MEMBER_IN:
        shape = input_shape(p);
        return shape ? ecc_arena_printf(p->arena, "struct %s in", shape->name) : NULL;
    case ECC_MEMBER_SAGA:
        return ecc_arena_printf(p->arena, "struct %s *saga", ecc_shapes_saga(p->shapes, p->plan->saga)->name);
    case ECC_MEMBER_ROW:
        return ecc_arena_printf(p->arena, "struct %s %s", shape->name, m->name);
    case ECC_MEMBER_REF:
        return ecc_arena_printf(p->arena, "struct ec_saga_ref %s", m->name);
    case ECC_MEMBER_LATE:
        return ecc_arena_printf(p->arena, "bool %s", m->name);
    case ECC_MEMBER_INDEX:
        return ecc_arena_printf(p->arena, "size_t %s", m->name);
    case ECC_MEMBER_ITEM:
        if (m->type->kind == ECC_TYPE_RECORD)
            return ecc_arena_printf(p->arena, "struct %s *%s", ecc_shapes_record(p->shapes, m->type->record)->name, m->name);
        return ecc_c_decl(p->shapes, m->type, m->name);
    case ECC_MEMBER_VALUE:
        if (!m->type)
            return ecc_arena_printf(p->arena, "struct %s %s", shape->list, m->name);
        if (is_empty(p, m->type))
            return NULL;
        return ecc_c_decl(p->shapes, m->type, m->name);
    case ECC_MEMBER_OUT:
        return ecc_c_decl(p->shapes, m->type, "out");
    }
    return NULL;
}

static bool print_frame(struct printer *p, struct ecc_writer *w)
{
    bool any = false;

    for (size_t i = 0; i < p->plan->members.n; i++) {
        const char *decl = member_decl(p, p->plan->members.items[i]);

        if (!decl)
            continue;
        if (!any)
            ecc_w_open(w, "struct %s {", p->shape->frame);
        any = true;
        ecc_wl(w, "%s;", decl);
    }
    if (any)
        ecc_w_close(w, "};");
    ecc_w_blank(w);
    return any;
}

/* A write that is alone in no transaction is one of its own. */
static bool commits(const struct printer *p, const struct ecc_act *act)
{
    if (act->kind == ECC_ACT_RUN)
        return act->stmt->kind == ECC_STMT_SQL && act->stmt->u.sql->writes && !act->stmt->in_tx &&
               p->plan->program->repeat != ECC_REPEAT_ATOMIC;
    return act->kind == ECC_ACT_COMMIT || act->kind == ECC_ACT_CLAIM;
}

static void name_steps(struct printer *p)
{
    p->start = ecc_shapes_claim(p->shapes, ecc_arena_printf(p->arena, "%s_START", p->shape->upper));
    p->steps = ECC_NEW_ARRAY(p->arena, const char *, p->plan->steps.n);
    for (size_t i = 0; i < p->plan->steps.n; i++)
        p->steps[i] =
            ecc_shapes_await(p->shapes, ecc_arena_printf(p->arena, "%s_%s", p->shape->upper, ecc_upper(p->arena, p->plan->steps.items[i]->step)),
                             p->shape->title, commits(p, p->plan->steps.items[i]));
}

static void print_steps(struct printer *p, struct ecc_writer *w)
{
    if (p->plan->steps.n == 0)
        return;
    ecc_w_open(w, "enum %s {", p->shape->step);
    ecc_wl(w, "%s,", p->start);
    for (size_t i = 0; i < p->plan->steps.n; i++)
        ecc_wl(w, "%s,", p->steps[i]);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

/* The last `return` of a function that does not wait says nothing. */
static const char last_return[] = "    return;\n";

static bool ends_with_return(const struct ecc_writer *w)
{
    size_t n = strlen(last_return);

    return w->n > n + 1 && w->data[w->n - n - 1] == '\n' && memcmp(w->data + w->n - n, last_return, n) == 0;
}

static void print_run(struct printer *p, struct ecc_writer *w, bool frame)
{
    struct ecc_writer body;
    bool steps = p->plan->steps.n > 0;

    ecc_writer_init(&body, p->arena);
    body.indent = steps ? 2 : 1;
    print_acts(p, &body, &p->plan->acts);
    if (!steps && ends_with_return(&body))
        body.n -= strlen(last_return);
    ecc_emit_helpers(&p->x, w);
    ecc_wl(w, "static void %s(struct ec_task *task)", p->shape->run);
    ecc_wl(w, "{");
    w->indent++;
    if (frame && strstr(body.data, "f->")) {
        ecc_wl(w, "struct %s *f = EC_FRAME(task, struct %s);", p->shape->frame, p->shape->frame);
        ecc_w_blank(w);
    }
    if (steps) {
        ecc_wl(w, "switch ((enum %s)task->step) {", p->shape->step);
        ecc_wl(w, "case %s:", p->start);
    }
    ecc_w_text(w, body.data, body.n);
    if (steps)
        ecc_wl(w, "}");
    w->indent--;
    ecc_wl(w, "}");
    ecc_w_blank(w);
}

void ecc_emit_errors(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_error *const *errors, size_t n)
{
    if (n == 0)
        return;
    if (n == 1) {
        ecc_wl(w, ".errors = (const struct ec_error *const[]){&%s, NULL},", ecc_shapes_error(shapes, errors[0]));
        return;
    }
    ecc_w_open(w, ".errors = (const struct ec_error *const[]){");
    for (size_t i = 0; i < n; i++)
        ecc_wl(w, "&%s,", ecc_shapes_error(shapes, errors[i]));
    ecc_wl(w, "NULL,");
    ecc_w_close(w, "},");
}

void ecc_emit_program_table(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_program_shape *shape,
                            const struct ecc_shape *in, const struct ecc_type *result, bool frame)
{
    static const char *const repeats[] = {[ECC_REPEAT_READ] = "READ", [ECC_REPEAT_ATOMIC] = "ATOMIC", [ECC_REPEAT_CLAIM] = "CLAIM"};

    ecc_w_open(w, "const struct ec_program %s = {", shape->name);
    ecc_wl(w, ".name = %s,", ecc_quote_c(shapes->arena, shape->title));
    ecc_wl(w, ".run = %s,", shape->run);
    if (frame)
        ecc_wl(w, ".frame_size = sizeof(struct %s),", shape->frame);
    if (in)
        ecc_wl(w, ".in = &%s,", in->table);
    if (result)
        ecc_wl(w, ".out = &%s,", ecc_shapes_record(shapes, result->record)->table);
    if (shape->op)
        ecc_emit_errors(shapes, w, shape->op->errors, shape->op->nerrors);
    ecc_wl(w, ".repeat = EC_REPEAT_%s,", repeats[shape->program->repeat]);
    ecc_w_close(w, "};");
}

void ecc_emit_program(struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_plan *plan)
{
    struct printer p = {.shapes = shapes, .arena = w->arena, .plan = plan};
    bool frame;

    p.shape = ecc_shapes_program(shapes, plan->program);
    p.x = (struct ecc_exprs){.arena = p.arena, .shapes = shapes, .place = program_place, .context = &p};
    name_steps(&p);
    ecc_w_blank(w);
    ecc_emit_notes(w, p.shape->title, plan);
    frame = print_frame(&p, w);
    print_steps(&p, w);
    print_run(&p, w, frame);
    ecc_emit_program_table(shapes, w, p.shape, input_shape(&p), plan->result, frame);
}
