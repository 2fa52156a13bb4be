/* Names by what they are, for colours: also those in SQL, which no grammar of an editor can tell. Keywords, strings, numbers and comments
 * are left to the editor's own grammar. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

/* X(enumerator, the standard's name) */
#define TOKENS(X)                                                                                                                     \
    X(NAMESPACE, "namespace") X(TYPE, "type") X(ENUM_MEMBER, "enumMember") X(EVENT, "event") X(FUNCTION, "function") X(METHOD, "method")   \
    X(PROPERTY, "property") X(PARAMETER, "parameter") X(VARIABLE, "variable") X(CLASS, "class") X(MACRO, "macro")

enum token {
#define X(e, name) TOKEN_##e,
    TOKENS(X)
#undef X
    NO_TOKEN,
};

json_t *lsp_token_legend(void)
{
    static const char *const names[] = {
#define X(e, name) name,
        TOKENS(X)
#undef X
    };
    json_t *types = json_array();

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_array_append_new(types, json_string(names[i]));
    return json_pack("{s:o, s:[s]}", "tokenTypes", types, "tokenModifiers", "declaration");
}

static enum token token_of(const struct ecc_ref *ref)
{
    const struct ecc_var *var = ref->entity;

    switch (ref->kind) {
    case ECC_REF_NODE:
    case ECC_REF_TOPIC:
    case ECC_REF_KEYSPACE:
    case ECC_REF_STORE: return TOKEN_NAMESPACE;
    case ECC_REF_TYPE: return TOKEN_TYPE;
    case ECC_REF_VALUE: return TOKEN_ENUM_MEMBER;
    case ECC_REF_EVENT: return TOKEN_EVENT;
    case ECC_REF_SAGA:
    case ECC_REF_STEP: return TOKEN_FUNCTION;
    case ECC_REF_OP:
    case ECC_REF_CALL: return TOKEN_METHOD;
    case ECC_REF_FIELD:
    case ECC_REF_COLUMN:
    case ECC_REF_BRANCH: return TOKEN_PROPERTY;
    case ECC_REF_PARAM: return TOKEN_PARAMETER;
    case ECC_REF_VAR: return var->kind == ECC_VAR_PARAM ? TOKEN_PARAMETER : TOKEN_VARIABLE;
    case ECC_REF_SETTING:
    case ECC_REF_REQUEST: return TOKEN_VARIABLE;
    case ECC_REF_TABLE: return TOKEN_CLASS;
    case ECC_REF_ERROR:
    case ECC_REF_POLICY: return TOKEN_MACRO;
    case ECC_REF_NONE:
    case ECC_REF_IDENTITY:
    case ECC_REF_SCENARIO:
    case ECC_REF_INVARIANT:
    case ECC_REF_EDGE:
    case ECC_REF_SQL: break;
    }
    return NO_TOKEN;
}

json_t *lsp_semantic_tokens(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_document *doc = lsp_document_of(s, params, failure);
    json_int_t line = 0, character = 0;
    uint32_t end = 0;
    json_t *data;

    if (!doc)
        return NULL;
    const struct lsp_view *view = lsp_document_view(s, doc);
    data = json_array();
    for (size_t i = 0; i < view->analysis.refs.n; i++) {
        const struct ecc_ref *r = &view->analysis.refs.items[i];
        enum token token = token_of(r);
        if (token == NO_TOKEN || r->span.start < end || r->span.start == r->span.end)
            continue;
        json_t *from = lsp_position(&view->text, r->span.start), *to = lsp_position(&view->text, r->span.end);
        json_int_t l = json_integer_value(json_object_get(from, "line")), c = json_integer_value(json_object_get(from, "character"));
        json_int_t length = json_integer_value(json_object_get(to, "character")) - c;
        const json_int_t values[] = {l - line, l == line ? c - character : c, length, token, r->declares};
        for (size_t k = 0; k < 5; k++)
            json_array_append_new(data, json_integer(values[k]));
        line = l;
        character = c;
        end = r->span.end;
        json_decref(from);
        json_decref(to);
    }
    return json_pack("{s:o}", "data", data);
}
