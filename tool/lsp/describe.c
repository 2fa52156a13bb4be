/* What a name is, in Markdown: a line of the language, then what the compiler knows of it. Of a source with mistakes, what is not known is
 * left out. */
#include "server.h"
#include "types.h"

#include <inttypes.h>
#include <string.h>

/* Inline records are written out; they can't contain themselves. */
const char *lsp_type_name(const struct lsp_view *view, const struct ecc_type *type)
{
    struct ecc_arena *arena = (struct ecc_arena *)(uintptr_t)&view->arena;
    const char *text = "{";

    if (!type || ECC_IS_UNKNOWN(type))
        return "?";
    if (type->kind == ECC_TYPE_LIST && !type->bounded)
        return ecc_arena_printf(arena, "[%s]%s", lsp_type_name(view, type->item), type->optional ? "?" : "");
    if (type->kind != ECC_TYPE_RECORD || type->record->name)
        return ecc_type_name(arena, type);
    for (size_t i = 0; i < type->record->nfields; i++)
        text = ecc_arena_printf(arena, "%s%s%s: %s", text, i ? "  " : " ", type->record->fields[i].name,
                                lsp_type_name(view, type->record->fields[i].type));
    return ecc_arena_printf(arena, "%s }%s", text, type->optional ? "?" : "");
}

static void put_default(FILE *out, const struct ecc_expr *e)
{
    while (e && e->kind == ECC_EXPR_CONVERT)
        e = e->u.convert;
    if (!e)
        return;
    switch (e->kind) {
    case ECC_EXPR_TEXT:
        fprintf(out, " = \"%s\"", e->u.text);
        break;
    case ECC_EXPR_ENUM:
        fprintf(out, " = %s", e->u.text);
        break;
    case ECC_EXPR_INT:
        fprintf(out, " = %" PRId64, e->u.i);
        break;
    case ECC_EXPR_FLOAT:
        fprintf(out, " = %g", e->u.f);
        break;
    case ECC_EXPR_BOOL:
        fprintf(out, " = %s", e->u.b ? "true" : "false");
        break;
    default:
        break;
    }
}

static void put_field(FILE *out, const struct lsp_view *view, const struct ecc_field *f, const struct ecc_type *type)
{
    fprintf(out, "%s: %s", f->name, lsp_type_name(view, type ? type : f->type));
    if (f->wire && strcmp(f->wire, f->name) != 0)
        fprintf(out, " as \"%s\"", f->wire);
    put_default(out, f->dflt);
    if (f->was)
        fprintf(out, " was(%s)", f->was);
}

void lsp_fields(FILE *out, const struct lsp_view *view, const struct ecc_record *record)
{
    for (size_t i = 0; record && i < record->nfields; i++) {
        fputs("  ", out);
        put_field(out, view, &record->fields[i], NULL);
        fputc('\n', out);
    }
}

static void code(FILE *out)
{
    fputs("```ecom\n", out);
}

static void end_code(FILE *out)
{
    fputs("```\n", out);
}

/* ------------------------------------------------------------------ operations and calls */

void lsp_signature(FILE *out, const struct lsp_view *view, const struct ecc_op *op)
{
    fprintf(out, "op %s(", op->name);
    for (size_t i = 0; op->params && i < op->params->nfields; i++) {
        fputs(i ? ", " : "", out);
        put_field(out, view, &op->params->fields[i], NULL);
    }
    fputc(')', out);
    if (op->result && (ECC_IS_UNKNOWN(op->result) || op->result->kind != ECC_TYPE_VOID))
        fprintf(out, " -> %s", lsp_type_name(view, op->result));
    for (size_t i = 0; i < op->nerrors; i++)
        fprintf(out, "%s%s", i ? " " : " errors { ", op->errors[i]->name);
    fputs(op->nerrors ? " }" : "", out);
    fputs(op->custom ? " custom" : "", out);
}

static void describe_op(FILE *out, const struct lsp_view *view, const struct ecc_op *op)
{
    static const char *const repeats[] = {
        [ECC_REPEAT_READ] = "Safe to repeat: it changes nothing here.",
        [ECC_REPEAT_ATOMIC] = "Safe to repeat under its key: one transaction, with the barrier in it.",
        [ECC_REPEAT_CLAIM] = "Safe to repeat under its key: the key is claimed first, and the answer is kept.",
    };

    code(out);
    lsp_signature(out, view, op);
    fputc('\n', out);
    end_code(out);
    fprintf(out, "\nOf %s. %s\n", op->service->name,
            op->custom ? "Written by hand: repeating it is its author's concern." : repeats[op->program.repeat]);
    for (size_t i = 0; i < op->nerrors; i++)
        fprintf(out, "%s`%s` %d %s\n", i ? "- " : "\nFails with\n- ", op->errors[i]->name, op->errors[i]->status, op->errors[i]->title);
    for (size_t i = 0; i < op->ncallers; i++)
        fprintf(out, "%s%s", i ? ", " : "\nCalled by ", op->callers[i]->name);
    fputs(op->ncallers ? "\n" : "", out);
    if (op->is_undo)
        fputs("\nUndoes a step of a saga.\n", out);
}

static void describe_call(FILE *out, const struct lsp_view *view, const struct ecc_ext_call *call)
{
    static const char *const encodings[] = {"", " form", " json", " query"};

    code(out);
    fprintf(out, "call %s %s \"%s\"%s", call->name, call->method, call->path, encodings[call->encoding]);
    if (call->encoding != ECC_ENC_NONE) {
        fputs(" {\n", out);
        lsp_fields(out, view, call->request);
        fputc('}', out);
    }
    if (call->reply) {
        fputs(" -> {\n", out);
        lsp_fields(out, view, call->reply);
        fputc('}', out);
    }
    fputc('\n', out);
    end_code(out);
    fprintf(out, "\nOf %s. ", call->external->name);
    if (call->idempotency_header)
        fprintf(out, "Safe to repeat: its key goes in `%s`.\n", call->idempotency_header);
    else
        fputs(strcmp(call->method, "POST") == 0 ? "Not safe to repeat: a POST without an idempotency header.\n"
                                                : "Safe to repeat, by its method.\n",
              out);
    for (size_t i = 0; i < call->nerrors; i++)
        fprintf(out, "%s`%s` when it answers %d\n", i ? "- " : "\nFails with\n- ", call->errors[i].error->name, call->errors[i].status);
}

/* ------------------------------------------------------------------ types and values */

static void describe_type(FILE *out, const struct lsp_view *view, const struct ecc_type *type)
{
    code(out);
    if (type->kind == ECC_TYPE_ENUM) {
        fprintf(out, "enum %s {", type->enum_->name);
        for (size_t i = 0; i < type->enum_->nvalues; i++)
            fprintf(out, " %s", type->enum_->values[i]);
        fputs(" }\n", out);
    } else if (type->kind == ECC_TYPE_RECORD) {
        fprintf(out, "record %s {\n", type->record->name ? type->record->name : "");
        lsp_fields(out, view, type->record);
        fputs("}\n", out);
    }
    end_code(out);
}

static void describe_event(FILE *out, const struct lsp_view *view, const struct ecc_event *event)
{
    code(out);
    fprintf(out, "event %s v%d {\n", event->name, event->version);
    lsp_fields(out, view, event->body);
    fputs("}\n", out);
    end_code(out);
    if (event->topic)
        fprintf(out, "\nIn topic %s, in order of `%s`.\n", event->topic->name, event->topic->key);
}

static void describe_value(FILE *out, const struct lsp_view *view, const char *value)
{
    const struct ecc_model *m = view->analysis.model;

    for (size_t i = 0; i < m->nenums; i++)
        for (size_t k = 0; k < m->enums[i]->nvalues; k++)
            if (m->enums[i]->values[k] == value) {
                code(out);
                fprintf(out, "%s\n", value);
                end_code(out);
                fprintf(out, "\nA value of enum `%s`.\n", m->enums[i]->name);
            }
}

static void describe_field(FILE *out, const struct lsp_view *view, const struct ecc_ref *ref)
{
    const struct ecc_field *field = ref->entity;
    const struct ecc_type *type = ref->type ? ref->type : field->type;

    code(out);
    put_field(out, view, field, ref->type);
    fputc('\n', out);
    if (type && !ECC_IS_UNKNOWN(type) && type->kind == ECC_TYPE_RECORD && !type->record->name)
        lsp_fields(out, view, type->record);
    end_code(out);
    fprintf(out, "\nA %s%s.\n", ecc_ref_word(ref->kind),
            field->origin || ref->decl.end ? "" : " of a query's result, or of the language itself");
}

static void describe_var(FILE *out, const struct lsp_view *view, const struct ecc_ref *ref)
{
    static const char *const words[] = {
        [ECC_VAR_PARAM] = "A parameter.",
        [ECC_VAR_LET] = "A variable.",
        [ECC_VAR_ITEM] = "The item of the loop.",
        [ECC_VAR_SETTING] = "A setting, from the environment.",
        [ECC_VAR_STEP] = "The result of a saga's step.",
        [ECC_VAR_ERROR] = "The kebab-case name of the error that the saga failed with.",
        [ECC_VAR_PATH] = "What stands in the path of the request.",
        [ECC_VAR_QUERY] = "The query of the request.",
        [ECC_VAR_BODY] = "The body of the request.",
        [ECC_VAR_IDENTITY] = "Who sends the request: what the operation behind `auth` returned.",
        [ECC_VAR_TOKEN] = "The bearer token of the request.",
        [ECC_VAR_REQUEST] = "The request to the provider.",
        [ECC_VAR_REPLY] = "The reply that is being made.",
    };
    const struct ecc_var *var = ref->entity;
    const struct ecc_type *type = ref->type ? ref->type : var->type, *inner = type;

    while (inner && !ECC_IS_UNKNOWN(inner) && inner->kind == ECC_TYPE_LIST)
        inner = inner->item;
    code(out);
    fprintf(out, "%s: %s\n", var->name, lsp_type_name(view, type));
    if (inner && !ECC_IS_UNKNOWN(inner) && inner->kind == ECC_TYPE_RECORD)
        lsp_fields(out, view, inner->record);
    end_code(out);
    fprintf(out, "\n%s\n", words[var->kind]);
}

/* ------------------------------------------------------------------ databases */

static void put_column(FILE *out, const struct lsp_view *view, const struct ecc_column *c)
{
    fprintf(out, "%s %s%s%s", c->name, lsp_type_name(view, c->type), c->primary_key ? " primary key" : "", c->unique ? " unique" : "");
    if (c->references)
        fprintf(out, " references %s", c->references->name);
    if (c->dflt_sql)
        fprintf(out, " = %s", c->dflt_sql);
    if (c->check_sql)
        fprintf(out, " check (%s)", c->check_sql);
    if (c->was)
        fprintf(out, " was(%s)", c->was);
}

static void describe_table(FILE *out, const struct lsp_view *view, const struct ecc_table *table)
{
    static const char *const kinds[] = {"primary key", "unique", "check", "index"};

    code(out);
    fprintf(out, "table %s {\n", table->name);
    for (size_t i = 0; i < table->ncolumns; i++) {
        fputs("  ", out);
        put_column(out, view, &table->columns[i]);
        fputc('\n', out);
    }
    for (size_t i = 0; i < table->nconstraints; i++)
        fprintf(out, "  %s (%s)\n", kinds[table->constraints[i].kind], table->constraints[i].sql);
    fputs("}\n", out);
    end_code(out);
}

static void describe_column(FILE *out, const struct lsp_view *view, const struct ecc_column *column)
{
    const struct ecc_model *m = view->analysis.model;

    code(out);
    put_column(out, view, column);
    fputc('\n', out);
    end_code(out);
    for (size_t i = 0; i < m->nnodes; i++) {
        const struct ecc_service *s = &m->nodes[i]->u.service;
        for (size_t k = 0; m->nodes[i]->kind == ECC_NODE_SERVICE && k < s->ntables; k++)
            if (column >= s->tables[k]->columns && column < s->tables[k]->columns + s->tables[k]->ncolumns)
                fprintf(out, "\nA column of table `%s` of %s.\n", s->tables[k]->name, m->nodes[i]->name);
    }
}

static void describe_sql(FILE *out, const struct lsp_view *view, const struct ecc_sql *sql)
{
    static const char *const shapes[] = {"gives nothing", "gives one row", "gives one row or none", "gives a list of rows"};

    fprintf(out, "SQL, %s, %s.\n", sql->writes ? "writes" : "reads", shapes[sql->shape]);
    if (sql->nparams) {
        fputs("\nParameters\n", out);
        code(out);
        for (size_t i = 0; i < sql->nparams; i++)
            fprintf(out, ":%s: %s\n", sql->param_names[i], sql->params[i] ? lsp_type_name(view, sql->params[i]->type) : "?");
        end_code(out);
    }
    if (sql->row) {
        fputs("\nRow\n", out);
        code(out);
        lsp_fields(out, view, sql->row);
        end_code(out);
    }
}

/* ------------------------------------------------------------------ the rest */

static void describe_saga(FILE *out, const struct lsp_view *view, const struct ecc_saga *saga)
{
    code(out);
    fprintf(out, "saga %s on %s (", saga->name, saga->service ? saga->service->name : "?");
    for (size_t i = 0; i < saga->params->nfields; i++)
        fprintf(out, "%s%s: %s", i ? ", " : "", saga->params->fields[i].name, lsp_type_name(view, saga->params->fields[i].type));
    fputs(")\n", out);
    end_code(out);
    for (size_t i = 0; i < saga->nsteps; i++) {
        const struct ecc_stmt *run = saga->steps[i].run, *undo = saga->steps[i].undo;
        fprintf(out, "%zu. %s", i + 1, saga->steps[i].name);
        if (run)
            fprintf(out, ": %s.%s", run->u.call.op->service->name, run->u.call.op->name);
        if (undo)
            fprintf(out, ", undone by %s.%s", undo->u.call.op->service->name, undo->u.call.op->name);
        fputc('\n', out);
    }
    for (size_t i = 0; i < saga->nerrors; i++)
        fprintf(out, "%s`%s`", i ? ", " : "\nFails with ", saga->errors[i]->name);
    fputs(saga->nerrors ? "\n" : "", out);
}

static void describe_step(FILE *out, const struct lsp_view *view, const struct ecc_saga_step *step)
{
    code(out);
    fprintf(out, "step %s\n", step->name);
    end_code(out);
    if (step->run)
        fprintf(out, "\nDoes %s.%s", step->run->u.call.op->service->name, step->run->u.call.op->name);
    if (step->undo)
        fprintf(out, ", undone by %s.%s", step->undo->u.call.op->service->name, step->undo->u.call.op->name);
    if (step->result)
        fprintf(out, "; its result is %s", lsp_type_name(view, step->result->type));
    fputc('\n', out);
}

static const char *duration(struct ecc_arena *arena, int64_t ms)
{
    return ms % 1000 ? ecc_arena_printf(arena, "%" PRId64 "ms", ms) : ecc_arena_printf(arena, "%" PRId64 "s", ms / 1000);
}

static void line(FILE *out, const char *word, const char *name, const char *rest)
{
    code(out);
    fprintf(out, "%s %s%s\n", word, name, rest);
    end_code(out);
}

void lsp_describe(FILE *out, const struct lsp_view *view, const struct ecc_ref *ref)
{
    struct ecc_arena *arena = (struct ecc_arena *)(uintptr_t)&view->arena;
    const struct ecc_keyspace *k = ref->entity;
    const struct ecc_topic *t = ref->entity;
    const struct ecc_error *e = ref->entity;
    const struct ecc_setting *s = ref->entity;
    const struct ecc_scenario *story = ref->entity;

    switch (ref->kind) {
    case ECC_REF_NODE:
        lsp_describe_node(out, view, ref->entity);
        break;
    case ECC_REF_EDGE:
        lsp_describe_edge(out, view, ref->entity);
        break;
    case ECC_REF_POLICY:
        lsp_describe_policy(out, view, ref->entity);
        break;
    case ECC_REF_OP:
        describe_op(out, view, ref->entity);
        break;
    case ECC_REF_CALL:
        describe_call(out, view, ref->entity);
        break;
    case ECC_REF_TYPE:
        describe_type(out, view, ref->entity);
        break;
    case ECC_REF_EVENT:
        describe_event(out, view, ref->entity);
        break;
    case ECC_REF_VALUE:
        describe_value(out, view, ref->entity);
        break;
    case ECC_REF_FIELD:
    case ECC_REF_PARAM:
        describe_field(out, view, ref);
        break;
    case ECC_REF_VAR:
        describe_var(out, view, ref);
        break;
    case ECC_REF_TABLE:
        describe_table(out, view, ref->entity);
        break;
    case ECC_REF_COLUMN:
        describe_column(out, view, ref->entity);
        break;
    case ECC_REF_SQL:
        describe_sql(out, view, ref->entity);
        break;
    case ECC_REF_SAGA:
        describe_saga(out, view, ref->entity);
        break;
    case ECC_REF_STEP:
        describe_step(out, view, ref->entity);
        break;
    case ECC_REF_ERROR:
        line(out, "error", e->name, ecc_arena_printf(arena, " %d \"%s\"", e->status, e->title));
        break;
    case ECC_REF_TOPIC:
        line(out, "topic", t->name, ecc_arena_printf(arena, " key %s partitions %d", t->key, t->partitions));
        for (size_t i = 0; i < t->nevents; i++)
            fprintf(out, "%s`%s`", i ? ", " : "\nCarries ", t->events[i]->name);
        fputs(t->nevents ? "\n" : "", out);
        break;
    case ECC_REF_KEYSPACE:
        line(out, "keyspace", k->name,
             ecc_arena_printf(arena, " [%s: %s] -> %s ttl %s%s%s", k->key->name, lsp_type_name(view, k->key->type),
                              k->value ? k->value->name : "?", duration(arena, k->ttl_ms), k->near_ms ? " near " : "",
                              k->near_ms ? duration(arena, k->near_ms) : ""));
        break;
    case ECC_REF_SETTING:
        line(out, "setting", s->name, ecc_arena_printf(arena, ": %s env %s", lsp_type_name(view, s->type), s->env));
        break;
    case ECC_REF_SCENARIO:
        line(out, "scenario", story->name, ecc_arena_printf(arena, " \"%s\"", story->title));
        break;
    case ECC_REF_STORE:
        line(out, "store", ref->name, "");
        break;
    case ECC_REF_IDENTITY:
        line(out, "identity", ref->name, "");
        break;
    case ECC_REF_BRANCH:
        line(out, "branch", ref->name, "");
        break;
    case ECC_REF_REQUEST:
        line(out, "let", ref->name,
             ecc_arena_printf(arena, ": %s", lsp_type_name(view, ((const struct ecc_request *)ref->entity)->result)));
        break;
    case ECC_REF_INVARIANT:
    case ECC_REF_NONE:
        break;
    }
}
