/* A part of ast.h, which includes it: external providers, their calls and sandboxes. */
#ifndef ECC_AST_EXTERNAL_H
#define ECC_AST_EXTERNAL_H

struct ecc_ast_ext_auth {
    enum ecc_ext_auth kind;
    struct ecc_text header;  /* HEADER */
    struct ecc_name setting; /* BASIC: the user's name */
    struct ecc_name secret;  /* environment name; absent with NONE */
    struct ecc_span span;
};

struct ecc_ast_status_error {
    int64_t status;
    struct ecc_span status_span;
    struct ecc_name error;
};
ECC_AST_LIST(ecc_ast_status_errors, struct ecc_ast_status_error);

struct ecc_ast_ext_call {
    struct ecc_name name;
    struct ecc_name method; /* GET, HEAD, POST, PUT, PATCH, DELETE: checked */
    struct ecc_text path;
    enum ecc_encoding encoding;        /* NONE: no fields were given */
    struct ecc_ast_fields request;
    struct ecc_ast_type *reply;        /* RECORD or NAMED, or NULL */
    struct ecc_text idempotency;       /* header, or absent */
    struct ecc_ast_status_errors errors;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_ext_calls, struct ecc_ast_ext_call *);

struct ecc_ast_sbx_set { /* set store[key].field = value; target is a MEMBER of an INDEX, or an INDEX */
    struct ecc_ast_expr *target, *value;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_sbx_sets, struct ecc_ast_sbx_set);

struct ecc_ast_sbx_rule {
    struct ecc_name call;       /* absent: of a `refuse` */
    struct ecc_ast_expr *when;  /* or NULL */
    int64_t status;             /* 0: not given, only with `refuse` */
    struct ecc_span status_span;
    struct ecc_ast_expr *body;  /* RECORD without type, or NULL */
    struct ecc_ast_expr *keep;  /* INDEX, or NULL */
    struct ecc_ast_sbx_sets sets;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_sbx_rules, struct ecc_ast_sbx_rule *);

struct ecc_ast_sandbox { /* several `sandbox` blocks are one */
    bool present;
    struct ecc_names stores;
    struct ecc_ast_sbx_rules rules, refusals;
    struct ecc_span span; /* of the word `sandbox` */
};

#endif
