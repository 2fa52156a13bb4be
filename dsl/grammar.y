/* The grammar, LALR(1), for lemon.
 *
 * Its order is that of docs/language.md. There are no separators between statements or members, so the words themselves say where
 * one ends; keywords are not reserved, and parse.c decides for each whether it is one, by asking this machine whether it could take
 * it. That is why there is no %fallback here: lemon's looks at one state's table, in which a keyword that is valid only after a
 * default reduction is not to be seen (`store a b` before `on`, `return` before `for`).
 *
 * Tokens that only parse.c makes: RETURN_BARE, a `return` that no expression follows; UNIQUE_RAW and PRIMARY_RAW, whose SQL in
 * parentheses follows; BAD, what was left out after a mistake. Lists that can take up again after a mistake have a BAD member.
 *
 * Bodies in braces are built in place: `x_body` is the node, each item is added to it as soon as it has been read.
 */
%name ecc_grammar
%token_prefix ECC_TOK_
%token_type {struct ecc_token}
%extra_context {struct ecc_parser *p}
%stack_size 1500
%stack_overflow {
    p->overflow = true;
}
%include {
#include "build.h"

/* lempar.c's assertions and trace would take a third of the time; and it is not written for our warnings. */
#ifndef NDEBUG
#define NDEBUG
#endif
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"

/* In the action of a rule that ends with `{`: says that what it makes has a bracket that is still open. */
#define OPENS (p->opens[yyRuleInfoLhs[yyruleno]] = true)

#define YYNOERRORRECOVERY 1 /* parse.c never gives a token that is not accepted */

void *ecc_grammarAlloc(void *(*)(size_t), struct ecc_parser *);
void ecc_grammarFree(void *, void (*)(void *));
void ecc_grammarInit(void *, struct ecc_parser *);
void ecc_grammarFinalize(void *);
void ecc_grammar(void *, int, struct ecc_token);
int ecc_grammarFallback(int);
}

%nonassoc LOWEST.
%nonassoc WHEN CHECK WAS.
%left OR.
%left AND.
%right NOT.
%nonassoc EQ NE LT LE GT GE.
%left PLUS MINUS.
%left STAR.
%right NEGATE.

%type any {struct ecc_token}
%type decl {struct ecc_ast_decl *}
%type names {struct ecc_token_list *}
%type fields {struct ecc_ast_fields *}
%type field {struct ecc_ast_field *}
%type type {struct ecc_ast_type *}
%type base_type {struct ecc_ast_type *}
%type bounds {struct ecc_bounds}
%type range {struct ecc_ast_range}

/* ------------------------------------------------------------------ the file */

file ::= decls.
decls ::= .
decls ::= decls decl(D). { ecc_add_decl(p, D); }
decls ::= decls BAD.

decl(A) ::= TOPOLOGY(K) STRING(T). { A = ecc_titled(p, ECC_AST_DECL_TOPOLOGY, K, K, T); }
decl(A) ::= TOPOLOGY(K) any(N) STRING(T). { A = ecc_titled(p, ECC_AST_DECL_TOPOLOGY, K, N, T); }
decl(A) ::= ENUM(K) any(N) LBRACE names(V) RBRACE. { A = ecc_decl_enum(p, K, N, V); }
decl(A) ::= RECORD(K) any(N) LBRACE fields(F) RBRACE. { A = ecc_decl_record(p, K, N, F); }
decl(A) ::= ERROR(K) any(N) INT(S) STRING(T). { A = ecc_decl_error(p, K, N, S, T); }
decl(A) ::= EVENT(K) any(N) any(V) LBRACE fields(F) RBRACE. { A = ecc_decl_event(p, K, N, V, F); }
decl(A) ::= CLIENT(K) any(N) STRING(T). { A = ecc_titled(p, ECC_AST_DECL_CLIENT, K, N, T); }
decl(A) ::= bus_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= cache_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= external_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= service_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= gateway_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= saga_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= POLICY(K) any(N) LBRACE props(P) RBRACE. { A = ecc_decl_policy(p, K, N, P); }
decl(A) ::= EDGE(K) any(F) ARROW any(T) LBRACE props(P) RBRACE. { A = ecc_decl_edge(p, K, F, T, P); }
decl(A) ::= FORBID(K) any(F) ARROW any(T) STRING(W). { A = ecc_decl_forbid(p, K, F, T, W); }
decl(A) ::= INVARIANT(K) STRING(N) ON names(S) SQLTEXT(T). { A = ecc_decl_invariant(p, K, N, S, T); }
decl(A) ::= identity_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= scenario_body(A) RBRACE. { ecc_end_decl(p, A); }
decl(A) ::= DROP(K) any(S) DOT any(T) STRING(W). { A = ecc_decl_drop(p, K, S, T, NULL, W); }
decl(A) ::= DROP(K) any(S) DOT any(T) DOT any(C) STRING(W). { A = ecc_decl_drop(p, K, S, T, &C, W); }
decl(A) ::= DROP(K) SAGA any(N) STRING(W). { A = ecc_decl_drop_release(p, K, &N, NULL, NULL, W); }
decl(A) ::= DROP(K) SAGA any(N) any(V) STRING(W). { A = ecc_decl_drop_release(p, K, &N, NULL, &V, W); }
decl(A) ::= DROP(K) EVENT any(N) any(V) STRING(W). { A = ecc_decl_drop_release(p, K, NULL, &N, &V, W); }

/* ------------------------------------------------------------------ names, fields, types */

any(A) ::= WORD(A).
any(A) ::= SNAKE(A).
any(A) ::= KEBAB(A).
any(A) ::= PASCAL(A).
any(A) ::= UPPER(A).
any(A) ::= MIXED(A).

comma ::= .
comma ::= COMMA.

names(A) ::= . { A = ecc_token_list(p); }
names(A) ::= names(A) any(N) comma. { ecc_token_push(p, A, N); }
names(A) ::= names(A) BAD.

fields(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_fields); }
fields(A) ::= fields(A) field(F) comma. { ECC_PUSH(p->arena, A, F); }
fields(A) ::= fields(A) BAD.

field(A) ::= any(N) COLON type(T). { A = ecc_field(p, N, T); }
field(A) ::= field(A) AS(K) STRING(W). { ecc_field_wire(p, A, K, W); }
field(A) ::= field(A) ASSIGN(K) literal(E). { ecc_field_default(p, A, K, E); }
field(A) ::= field(A) WAS(K) LP any(N) RP. { ecc_field_was(p, A, K, N); }

type(A) ::= base_type(A).
type(A) ::= base_type(A) QUESTION. { ecc_ast_optional(p, A); }
base_type(A) ::= any(N). { A = ecc_type_named(p, N); }
base_type(A) ::= any(N) bounds(B). { A = ecc_type_bounded(p, ecc_type_named(p, N), B); }
base_type(A) ::= LBRACKET(K) type(T) RBRACKET. { A = ecc_type_list(p, K, T); }
base_type(A) ::= LBRACKET(K) type(T) RBRACKET bounds(B). { A = ecc_type_bounded(p, ecc_type_list(p, K, T), B); }
base_type(A) ::= LBRACE(K) fields(F) RBRACE. { A = ecc_type_record(p, K, F); }

bounds(A) ::= LP(K) INT(L) DOTDOT INT(H) RP. { A = ecc_bounds(p, K, &L, &H); }
bounds(A) ::= LP(K) INT(L) DOTDOT RP. { A = ecc_bounds(p, K, &L, NULL); }
bounds(A) ::= LP(K) DOTDOT INT(H) RP. { A = ecc_bounds(p, K, NULL, &H); }

range(A) ::= DURATION(L) DOTDOT DURATION(H). { A = ecc_range(p, L, H); }

/* ------------------------------------------------------------------ expressions */

%type expr {struct ecc_ast_expr *}
%type literal {struct ecc_ast_expr *}
%type constant {struct ecc_ast_expr *}
%type postfix {struct ecc_ast_expr *}
%type invocation {struct ecc_ast_expr *}
%type object {struct ecc_ast_expr *}
%type member {struct ecc_token}
%type init {struct ecc_ast_init *}
%type inits {struct ecc_ast_inits *}
%type args {struct ecc_ast_inits *}
%type arg_list {struct ecc_ast_inits *}
%type exprs {struct ecc_ast_exprs *}
%type expr_list {struct ecc_ast_exprs *}
%type remote {struct ecc_ast_remote *}
%type keyed {struct ecc_ast_keyed *}

constant(A) ::= STRING(T). { A = ecc_expr_text(p, T); }
constant(A) ::= INT(T). { A = ecc_expr_int(p, T); }
constant(A) ::= FLOAT(T). { A = ecc_expr_float(p, T); }
constant(A) ::= TRUE(T). { A = ecc_expr_bool(p, T, true); }
constant(A) ::= FALSE(T). { A = ecc_expr_bool(p, T, false); }
constant(A) ::= NULL(T). { A = ecc_expr(p, ECC_AST_EXPR_NULL, T.start); }

literal(A) ::= constant(A).
literal(A) ::= WORD(N). { A = ecc_expr_name(p, N); }
literal(A) ::= SNAKE(N). { A = ecc_expr_name(p, N); }
literal(A) ::= WORD(N) LP RP. { A = ecc_expr_invoke(p, ecc_expr_name(p, N), NULL); }
literal(A) ::= object(A).
literal(A) ::= LBRACKET(K) exprs(L) RBRACKET. { A = ecc_expr_list(p, K, L); }

member(A) ::= WORD(A).
member(A) ::= SNAKE(A).
member(A) ::= KEBAB(A).
member(A) ::= MIXED(A).

postfix(A) ::= member(N). { A = ecc_expr_name(p, N); }
postfix(A) ::= postfix(E) DOT member(N). { A = ecc_expr_member(p, E, N); }
postfix(A) ::= postfix(E) DOT STRING(N). { A = ecc_expr_quoted(p, E, N); }
postfix(A) ::= postfix(E) LBRACKET expr(K) RBRACKET. { A = ecc_expr_index(p, E, K); }

invocation(A) ::= postfix(E) LP args(L) RP. { A = ecc_expr_invoke(p, E, L); }
invocation(A) ::= postfix(E) DOT PASCAL(O) LP args(L) RP. { A = ecc_expr_remote(p, E, O, L); }

remote(A) ::= invocation(E). { A = ecc_take_remote(p, E); }
keyed(A) ::= postfix(E). { A = ecc_take_keyed(p, E); }

object(A) ::= LBRACE(K) inits(L) RBRACE. { A = ecc_expr_record(p, K, NULL, L); }

expr(A) ::= constant(A).
expr(A) ::= postfix(A). { ecc_check_value(p, A); }
expr(A) ::= invocation(A).
expr(A) ::= object(A).
expr(A) ::= PASCAL(T) LBRACE inits(L) RBRACE. { A = ecc_expr_record(p, T, &T, L); }
expr(A) ::= LBRACKET(K) exprs(L) RBRACKET. { A = ecc_expr_list(p, K, L); }
expr(A) ::= LP expr(E) RP. { A = E; }
expr(A) ::= MISSING(K) postfix(E). { A = ecc_expr_missing(p, K, E); }
expr(A) ::= NOT(K) expr(E). { A = ecc_expr_unary(p, ECC_OP_NOT, K, E); }
expr(A) ::= MINUS(K) expr(E). [NEGATE] { A = ecc_expr_unary(p, ECC_OP_NEG, K, E); }
expr(A) ::= expr(L) OR(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_OR, K, L, R); }
expr(A) ::= expr(L) AND(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_AND, K, L, R); }
expr(A) ::= expr(L) EQ(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_EQ, K, L, R); }
expr(A) ::= expr(L) NE(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_NE, K, L, R); }
expr(A) ::= expr(L) LT(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_LT, K, L, R); }
expr(A) ::= expr(L) LE(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_LE, K, L, R); }
expr(A) ::= expr(L) GT(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_GT, K, L, R); }
expr(A) ::= expr(L) GE(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_GE, K, L, R); }
expr(A) ::= expr(L) PLUS(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_ADD, K, L, R); }
expr(A) ::= expr(L) MINUS(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_SUB, K, L, R); }
expr(A) ::= expr(L) STAR(K) expr(R). { A = ecc_expr_binary(p, ECC_OP_MUL, K, L, R); }

exprs(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_exprs); }
exprs(A) ::= expr_list(A) comma.
expr_list(A) ::= expr(E). { A = ECC_NEW(p->arena, struct ecc_ast_exprs); ECC_PUSH(p->arena, A, E); }
expr_list(A) ::= expr_list(A) COMMA expr(E). { ECC_PUSH(p->arena, A, E); }

init(A) ::= any(N) COLON expr(E). { A = ecc_init(p, &N, E); }
init(A) ::= STRING(N) COLON expr(E). { A = ecc_init_quoted(p, N, E); }
init(A) ::= SPREAD(K) postfix(E). { A = ecc_init_spread(p, K, E); }

inits(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_inits); }
inits(A) ::= inits(A) init(I) comma. { ECC_PUSH(p->arena, A, I); }

/* A comma may be left out only before a name with a colon or a spread: `f(a [b])` would be an index. */
args(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_inits); }
args(A) ::= arg_list(A) comma.
arg_list(A) ::= init(I). { A = ECC_NEW(p->arena, struct ecc_ast_inits); ECC_PUSH(p->arena, A, I); }
arg_list(A) ::= expr(E). { A = ECC_NEW(p->arena, struct ecc_ast_inits); ECC_PUSH(p->arena, A, ecc_init(p, NULL, E)); }
arg_list(A) ::= arg_list(A) init(I). { ECC_PUSH(p->arena, A, I); }
arg_list(A) ::= arg_list(A) COMMA init(I). { ECC_PUSH(p->arena, A, I); }
arg_list(A) ::= arg_list(A) COMMA expr(E). { ECC_PUSH(p->arena, A, ecc_init(p, NULL, E)); }

/* ------------------------------------------------------------------ buses and caches */

%type bus_body {struct ecc_ast_decl *}
%type topic {struct ecc_ast_topic *}
%type cache_body {struct ecc_ast_decl *}
%type keyspace {struct ecc_ast_keyspace *}

bus_body(A) ::= BUS(K) any(N) STRING(T) LBRACE. { OPENS; A = ecc_titled(p, ECC_AST_DECL_BUS, K, N, T); }
bus_body(A) ::= bus_body(A) topic(T) LBRACE names(E) RBRACE. { ecc_add_topic(p, A, T, E); }
bus_body(A) ::= bus_body(A) BAD.
topic(A) ::= TOPIC(K) any(N) KEY any(F) PARTITIONS INT(I). { A = ecc_topic(p, K, N, F, I); }
topic(A) ::= topic(A) RETENTION(K) DURATION(D). { ecc_topic_retention(p, A, K, D); }

cache_body(A) ::= CACHE(K) any(N) STRING(T) LBRACE. { OPENS; A = ecc_titled(p, ECC_AST_DECL_CACHE, K, N, T); }
cache_body(A) ::= cache_body(A) keyspace(S). { ecc_add_keyspace(p, A, S); }
cache_body(A) ::= cache_body(A) BAD.
keyspace(A) ::= KEYSPACE(K) any(N) LBRACKET field(F) RBRACKET ARROW any(V) TTL DURATION(D). { A = ecc_keyspace(p, K, N, F, V, D); }
keyspace(A) ::= keyspace(A) NEAR(K) DURATION(D). { ecc_keyspace_near(p, A, K, D); }

/* ------------------------------------------------------------------ externals */

%type external_body {struct ecc_ast_decl *}
%type setting {struct ecc_ast_setting *}
%type ext_call {struct ecc_ast_ext_call *}
%type status_errors {struct ecc_ast_status_errors *}
%type sandbox_body {struct ecc_ast_sandbox *}
%type stores {struct ecc_token_list *}
%type rule {struct ecc_ast_sbx_rule *}
%type refusal {struct ecc_ast_sbx_rule *}

external_body(A) ::= EXTERNAL(K) any(N) STRING(T) LBRACE. { OPENS; A = ecc_titled(p, ECC_AST_DECL_EXTERNAL, K, N, T); }
external_body(A) ::= EXTERNAL(K) BAD LBRACE. { OPENS; A = ecc_nameless(p, ECC_AST_DECL_EXTERNAL, K); }
external_body(A) ::= external_body(A) BASE(K) STRING(U) ENV any(E). { ecc_external_base(p, A, K, U, E); }
external_body(A) ::= external_body(A) setting(S). { ECC_PUSH(p->arena, &A->u.external.settings, S); }
external_body(A) ::= external_body(A) AUTH(K) NONE. { ecc_external_auth(p, A, K, ECC_AUTH_NONE, NULL, NULL); }
external_body(A) ::= external_body(A) AUTH(K) BEARER SECRET any(S). { ecc_external_auth(p, A, K, ECC_AUTH_BEARER, NULL, &S); }
external_body(A) ::= external_body(A) AUTH(K) BASIC any(U) SECRET any(S). { ecc_external_auth(p, A, K, ECC_AUTH_BASIC, &U, &S); }
external_body(A) ::= external_body(A) AUTH(K) HEADER STRING(H) SECRET any(S). { ecc_external_auth(p, A, K, ECC_AUTH_HEADER, &H, &S); }
external_body(A) ::= external_body(A) ext_call(C). { ecc_add_ext_call(p, A, C); }
external_body(A) ::= external_body(A) sandbox_body(S) RBRACE. { ecc_add_sandbox(p, A, S); }
external_body(A) ::= external_body(A) BAD.

setting(A) ::= SETTING(K) any(N) COLON type(T) ENV any(E). { A = ecc_setting(p, K, N, T, E, NULL); }
setting(A) ::= SETTING(K) any(N) COLON type(T) ENV any(E) ASSIGN literal(D). { A = ecc_setting(p, K, N, T, E, D); }

ext_call(A) ::= CALL(K) any(N) any(M) STRING(P). { A = ecc_ext_call(p, K, N, M, P); }
ext_call(A) ::= ext_call(A) FORM(K) LBRACE fields(F) RBRACE. { ecc_ext_call_request(p, A, K, ECC_ENC_FORM, F); }
ext_call(A) ::= ext_call(A) JSON(K) LBRACE fields(F) RBRACE. { ecc_ext_call_request(p, A, K, ECC_ENC_JSON, F); }
ext_call(A) ::= ext_call(A) QUERY(K) LBRACE fields(F) RBRACE. { ecc_ext_call_request(p, A, K, ECC_ENC_QUERY, F); }
ext_call(A) ::= ext_call(A) ARROW(K) type(T). { ecc_ext_call_reply(p, A, K, T); }
ext_call(A) ::= ext_call(A) IDEMPOTENCY(K) HEADER STRING(H). { ecc_ext_call_idempotency(p, A, K, H); }
ext_call(A) ::= ext_call(A) ERRORS(K) LBRACE status_errors(E) RBRACE. { ecc_ext_call_errors(p, A, K, E); }
status_errors(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_status_errors); }
status_errors(A) ::= status_errors(A) INT(S) ARROW any(E) comma. { ecc_add_status_error(p, A, S, E); }
status_errors(A) ::= status_errors(A) BAD.

sandbox_body(A) ::= SANDBOX(K) LBRACE. { OPENS; A = ecc_sandbox(p, K); }
sandbox_body(A) ::= sandbox_body(A) stores(L). { ecc_add_stores(p, A, L); }
sandbox_body(A) ::= sandbox_body(A) rule(R). { ecc_add_rule(p, A, R); }
sandbox_body(A) ::= sandbox_body(A) BAD.
stores(A) ::= STORE any(N). { A = ecc_token_list(p); ecc_token_push(p, A, N); }
stores(A) ::= stores(A) any(N). { ecc_token_push(p, A, N); }
rule(A) ::= ON(K) any(C) REPLY INT(S). { A = ecc_rule(p, K, C, NULL, S); }
rule(A) ::= ON(K) any(C) WHEN expr(E) REPLY INT(S). { A = ecc_rule(p, K, C, E, S); }
rule(A) ::= refusal(R) object(B). { A = R; ecc_rule_body(p, A, B); }
refusal(A) ::= REFUSE(K) REPLY. { A = ecc_refusal(p, K, NULL, NULL); }
refusal(A) ::= REFUSE(K) REPLY INT(S). { A = ecc_refusal(p, K, NULL, &S); }
refusal(A) ::= REFUSE(K) WHEN expr(E) REPLY. { A = ecc_refusal(p, K, E, NULL); }
refusal(A) ::= REFUSE(K) WHEN expr(E) REPLY INT(S). { A = ecc_refusal(p, K, E, &S); }
rule(A) ::= rule(A) object(B). { ecc_rule_body(p, A, B); }
rule(A) ::= rule(A) KEEP(K) postfix(E). { ecc_rule_keep(p, A, K, E); }
rule(A) ::= rule(A) SET(K) postfix(T) ASSIGN expr(V). { ecc_rule_set(p, A, K, T, V); }

/* ------------------------------------------------------------------ services */

%type service_body {struct ecc_ast_decl *}
%type database_body {struct ecc_ast_database *}
%type table_body {struct ecc_ast_table *}
%type column {struct ecc_ast_column *}
%type op_head {struct ecc_ast_op *}
%type consumer_head {struct ecc_ast_consumer *}

service_body(A) ::= SERVICE(K) any(N) STRING(T) LBRACE. { OPENS; A = ecc_titled(p, ECC_AST_DECL_SERVICE, K, N, T); }
service_body(A) ::= SERVICE(K) BAD LBRACE. { OPENS; A = ecc_nameless(p, ECC_AST_DECL_SERVICE, K); }
service_body(A) ::= service_body(A) JWT(K) ISSUER STRING(I) AUDIENCE STRING(U) SECRET any(S). { ecc_service_jwt(p, A, K, I, U, S); }
service_body(A) ::= service_body(A) setting(S). { ECC_PUSH(p->arena, &A->u.service.settings, S); }
service_body(A) ::= service_body(A) WORKERS(K) INT(N). { ecc_service_workers(p, A, K, N); }
service_body(A) ::= service_body(A) database_body(D) RBRACE. { ecc_add_database(p, A, D); }
service_body(A) ::= service_body(A) op_head(O) CUSTOM. { ecc_add_op(p, A, O, NULL); }
service_body(A) ::= service_body(A) op_head(O) block(B). { ecc_add_op(p, A, O, B); }
service_body(A) ::= service_body(A) consumer_head(C) block(B). { ecc_add_consumer(p, A, C, B); }
service_body(A) ::= service_body(A) BAD.

database_body(A) ::= DATABASE(K) any(N) LBRACE. { OPENS; A = ecc_database(p, K, N); }
database_body(A) ::= database_body(A) table_body(T) RBRACE. { ecc_add_table(p, A, T); }
database_body(A) ::= database_body(A) SEED(K) any(T) LBRACE inits(V) RBRACE. { ecc_add_seed(p, A, K, T, V); }
database_body(A) ::= database_body(A) DROP(K) any(T) STRING(W). { ECC_PUSH(p->arena, &A->drops, ecc_drop(p, K, NULL, T, NULL, W)); }
database_body(A) ::= database_body(A) DROP(K) any(T) DOT any(C) STRING(W). {
    ECC_PUSH(p->arena, &A->drops, ecc_drop(p, K, NULL, T, &C, W));
}
database_body(A) ::= database_body(A) BAD.

table_body(A) ::= TABLE(K) any(N) LBRACE. { OPENS; A = ecc_table(p, K, &N); }
table_body(A) ::= TABLE(K) BAD LBRACE. { OPENS; A = ecc_table(p, K, NULL); }
table_body(A) ::= table_body(A) column(C). [LOWEST] { ecc_add_column(p, A, C); }
table_body(A) ::= table_body(A) PRIMARY_RAW(K) KEY RAW(R). { ecc_add_constraint(p, &A->constraints, ECC_CON_PRIMARY_KEY, K, R); }
table_body(A) ::= table_body(A) UNIQUE_RAW(K) RAW(R). { ecc_add_constraint(p, &A->constraints, ECC_CON_UNIQUE, K, R); }
table_body(A) ::= table_body(A) INDEX(K) RAW(R). { ecc_add_constraint(p, &A->constraints, ECC_CON_INDEX, K, R); }
table_body(A) ::= table_body(A) CHECK(K) RAW(R). { ecc_add_constraint(p, &A->constraints, ECC_CON_CHECK, K, R); }
table_body(A) ::= table_body(A) WAS(K) LP any(N) RP. { ecc_table_was(p, A, K, N); }
table_body(A) ::= table_body(A) BAD.

column(A) ::= any(N) type(T). { A = ecc_column(p, N, T); }
column(A) ::= column(A) PRIMARY(K) KEY. { ecc_column_primary(p, A, K); }
column(A) ::= column(A) UNIQUE(K). { ecc_column_unique(p, A, K); }
column(A) ::= column(A) REFERENCES(K) any(T). { ecc_column_references(p, A, K, T); }
column(A) ::= column(A) ASSIGN(K) literal(E). { ecc_column_default(p, A, K, E); }
column(A) ::= column(A) CHECK(K) RAW(R). { ecc_column_check(p, A, K, R); }
column(A) ::= column(A) WAS(K) LP any(N) RP. { ecc_column_was(p, A, K, N); }

op_head(A) ::= OP(K) any(N) LP fields(F) RP. { A = ecc_op(p, K, &N, F); }
op_head(A) ::= OP(K) BAD. { A = ecc_op(p, K, NULL, NULL); }
op_head(A) ::= op_head(A) ARROW(K) type(T). { ecc_op_result(p, A, K, T); }
op_head(A) ::= op_head(A) ERRORS(K) LBRACE names(E) RBRACE. { ecc_op_errors(p, A, K, E); }
op_head(A) ::= op_head(A) WAS(K) LP any(N) RP. { ecc_op_was(p, A, K, N); }

consumer_head(A) ::= ON(K) any(E) LP any(V) RP FROM any(T) GROUP any(G). { A = ecc_consumer(p, K, &E, V, T, G); }
consumer_head(A) ::= ON(K) any(E) any(N) LP any(V) RP FROM any(T) GROUP any(G). {
    A = ecc_consumer(p, K, &E, V, T, G);
    A->version = ecc_version(p, N);
}
consumer_head(A) ::= ON(K) BAD. { A = ecc_consumer(p, K, NULL, K, K, K); }
consumer_head(A) ::= consumer_head(A) RETRY(K) INT(N) BACKOFF range(R). { ecc_consumer_retry(p, A, K, N, R); }
consumer_head(A) ::= consumer_head(A) THEN(K) DEAD_LETTER. { ecc_consumer_then(p, A, K, true); }
consumer_head(A) ::= consumer_head(A) THEN(K) DROP. { ecc_consumer_then(p, A, K, false); }

/* ------------------------------------------------------------------ statements */

%type block {struct ecc_ast_block *}
%type stmts {struct ecc_ast_block *}
%type stmt {struct ecc_ast_stmt *}
%type sql {struct ecc_ast_stmt *}
%type step_stmt {struct ecc_ast_stmt *}
%type when_stmt {struct ecc_ast_stmt *}
%type out {struct ecc_ast_stmt *}

block(A) ::= LBRACE stmts(L) RBRACE. { A = L; }
stmts(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_block); }
stmts(A) ::= stmts(A) stmt(S). { ECC_PUSH(p->arena, A, S); ecc_report_unclaimed(p); }
stmts(A) ::= stmts(A) BAD.

sql(A) ::= SQL(K) ONE SQLTEXT(T). { A = ecc_stmt_sql(p, K, ECC_SQL_ONE, T); }
sql(A) ::= SQL(K) MAYBE SQLTEXT(T). { A = ecc_stmt_sql(p, K, ECC_SQL_MAYBE, T); }
sql(A) ::= SQL(K) MANY SQLTEXT(T). { A = ecc_stmt_sql(p, K, ECC_SQL_MANY, T); }
sql(A) ::= SQL(K) EXEC SQLTEXT(T). { A = ecc_stmt_sql(p, K, ECC_SQL_EXEC, T); }

step_stmt(A) ::= sql(A).
step_stmt(A) ::= invocation(E). { A = ecc_stmt_call(p, E); }
step_stmt(A) ::= LET(K) any(N) ASSIGN sql(S). { A = ecc_stmt_let(p, K, N, S); }
step_stmt(A) ::= LET(K) any(N) ASSIGN expr(E). { A = ecc_stmt_let(p, K, N, ecc_stmt_value(p, E)); }
step_stmt(A) ::= LET(K) any(N) ASSIGN START(S) any(G) LP args(L) RP. { A = ecc_stmt_let(p, K, N, ecc_stmt_start(p, S, G, L)); }
step_stmt(A) ::= AWAIT(K) any(N). { A = ecc_stmt_await(p, K, N); }
step_stmt(A) ::= step_stmt(A) NONE(K) ARROW out(O). { ecc_stmt_none(p, A, K, O); }
step_stmt(A) ::= step_stmt(A) FOUND(K) ARROW out(O). { ecc_stmt_found(p, A, K, O); }
step_stmt(A) ::= step_stmt(A) KEY(K) expr(E). { ecc_stmt_key(p, A, K, E); }
step_stmt(A) ::= step_stmt(A) CATCH(K) any(N) block(B). { ecc_stmt_catch(p, A, K, N, B); }
step_stmt(A) ::= step_stmt(A) LATE(K) block(B). { ecc_stmt_late(p, A, K, B); }

when_stmt(A) ::= WHEN(K) expr(E) block(B). { A = ecc_stmt_when(p, K, E, B); }

stmt(A) ::= step_stmt(A).
stmt(A) ::= TX(K) block(B). { A = ecc_stmt_tx(p, K, B); }
stmt(A) ::= PUBLISH(K) any(N) object(B). { A = ecc_stmt_publish(p, K, N, B); }
stmt(A) ::= PUBLISH(K) any(N) any(V) object(B). {
    A = ecc_stmt_publish(p, K, N, B);
    A->u.publish.version = ecc_version(p, V);
}
stmt(A) ::= PUT(K) keyed(R) ASSIGN expr(E). { A = ecc_stmt_put(p, K, R, E); }
stmt(A) ::= DROP(K) keyed(R). { A = ecc_stmt_drop(p, K, R); }
stmt(A) ::= FOR(K) any(N) IN expr(E) block(B). { A = ecc_stmt_for(p, K, N, E, B); }
stmt(A) ::= when_stmt(A).
stmt(A) ::= when_stmt(A) ELSE block(B). { ecc_stmt_else(p, A, B); }
stmt(A) ::= FAIL(K) any(N). [LOWEST] { A = ecc_stmt_fail(p, K, N, NULL); }
stmt(A) ::= FAIL(K) any(N) WHEN expr(E). { A = ecc_stmt_fail(p, K, N, E); }
stmt(A) ::= RETURN(K) expr(E). { A = ecc_stmt_return(p, K, E); }
stmt(A) ::= RETURN_BARE(K). { A = ecc_stmt_return(p, K, NULL); }
stmt(A) ::= ACCEPT(K) expr(E). { A = ecc_stmt_accept(p, K, E); }

out(A) ::= FAIL(K) any(N). { A = ecc_stmt_fail(p, K, N, NULL); }
out(A) ::= RETURN(K) expr(E). { A = ecc_stmt_return(p, K, E); }
out(A) ::= RETURN_BARE(K). { A = ecc_stmt_return(p, K, NULL); }
out(A) ::= ACCEPT(K) expr(E). { A = ecc_stmt_accept(p, K, E); }

/* ------------------------------------------------------------------ sagas */

%type saga_body {struct ecc_ast_decl *}
%type step {struct ecc_ast_step *}

saga_body(A) ::= SAGA(K) any(N) ON any(S) LP fields(F) RP LBRACE. { OPENS; A = ecc_saga(p, K, N, S, F); }
saga_body(A) ::= SAGA(K) BAD LBRACE. { OPENS; A = ecc_nameless(p, ECC_AST_DECL_SAGA, K); }
saga_body(A) ::= saga_body(A) step(S). { ecc_add_step(p, A, S); }
saga_body(A) ::= saga_body(A) DONE(K) block(B). { ecc_saga_done(p, A, K, B); }
saga_body(A) ::= saga_body(A) FAILED(K) block(B). { ecc_saga_failed(p, A, K, B); }
saga_body(A) ::= saga_body(A) BAD.
step(A) ::= STEP(K) any(N) DO remote(R). { A = ecc_step(p, K, N, R); }
step(A) ::= step(A) UNDO(K) remote(R). { ecc_step_undo(p, A, K, R); }

/* ------------------------------------------------------------------ gateways */

%type gateway_body {struct ecc_ast_decl *}
%type quota {struct ecc_ast_limit *}
%type per {enum ecc_limit_per}
%type when_down {bool}
%type route {struct ecc_ast_route *}
%type route_head {struct ecc_ast_route *}
%type branches {struct ecc_ast_branches *}

gateway_body(A) ::= GATEWAY(K) any(N) STRING(T) LBRACE. { OPENS; A = ecc_titled(p, ECC_AST_DECL_GATEWAY, K, N, T); }
gateway_body(A) ::= GATEWAY(K) BAD LBRACE. { OPENS; A = ecc_nameless(p, ECC_AST_DECL_GATEWAY, K); }
gateway_body(A) ::= gateway_body(A) LISTEN(K) INT(N). { ecc_gateway_listen(p, A, K, N, false); }
gateway_body(A) ::= gateway_body(A) LISTEN(K) INT(N) TLS. { ecc_gateway_listen(p, A, K, N, true); }
gateway_body(A) ::= gateway_body(A) AUTH(K) JWT VIA remote(R) CACHE DURATION(D). { ecc_gateway_auth(p, A, K, R, D, NULL); }
gateway_body(A) ::= gateway_body(A) AUTH(K) JWT VIA remote(R) CACHE DURATION(D) WHILE keyed(C). { ecc_gateway_auth(p, A, K, R, D, C); }
gateway_body(A) ::= gateway_body(A) LIMIT(K) quota(Q) PER per(W) IN any(C) WHEN_DOWN when_down(D). {
    ecc_gateway_limit(p, A, K, Q, W, C, D);
}
gateway_body(A) ::= gateway_body(A) route(R). { ecc_add_route(p, A, R); }
gateway_body(A) ::= gateway_body(A) BAD.

quota(A) ::= RATE(R) BURST INT(N). { A = ecc_quota(p, R, N); }
quota(A) ::= RATE(R) BURST INT(N) LEASE INT(M). { A = ecc_quota(p, R, N); ecc_quota_lease(p, A, M); }
per(A) ::= IDENTITY. { A = ECC_PER_IDENTITY; }
per(A) ::= ADDRESS. { A = ECC_PER_ADDRESS; }
per(A) ::= IDENTITY OR ADDRESS. { A = ECC_PER_IDENTITY_OR_ADDRESS; }
when_down(A) ::= ALLOW. { A = true; }
when_down(A) ::= REFUSE. { A = false; }

route_head(A) ::= ROUTE(K) any(M) STRING(P) AUTH ARROW. { A = ecc_route(p, K, M, P, true); }
route_head(A) ::= ROUTE(K) any(M) STRING(P) PUBLIC ARROW. { A = ecc_route(p, K, M, P, false); }
route_head(A) ::= ROUTE(K) any(M) STRING(P) ARROW. { A = ecc_route_open(p, K, M, P); }
route(A) ::= route_head(A) remote(R). { A->call = R; }
route(A) ::= route_head(A) ALL LBRACE branches(B) RBRACE. { A->branches = *B; }
route(A) ::= route(A) REPLY(K) INT(S). { ecc_route_reply(p, A, K, S); }
route(A) ::= route(A) ACCEPTED(K) AT STRING(T). { ecc_route_accepted(p, A, K, T); }
route(A) ::= route(A) IDEMPOTENT(K). { ecc_route_idempotent(p, A, K); }
route(A) ::= route(A) CACHE(K) keyed(C). { ecc_route_cache(p, A, K, C); }
branches(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_branches); }
branches(A) ::= branches(A) any(N) COLON REQUIRED remote(R) comma. { ecc_add_branch(p, A, N, true, R); }
branches(A) ::= branches(A) any(N) COLON OPTIONAL remote(R) comma. { ecc_add_branch(p, A, N, false, R); }
branches(A) ::= branches(A) BAD.

/* ------------------------------------------------------------------ edges */

%type props {struct ecc_ast_props *}
%type prop {struct ecc_ast_prop *}
%type prop_list {struct ecc_ast_prop *}
%type trip {bool}

props(A) ::= . { A = ECC_NEW(p->arena, struct ecc_ast_props); }
props(A) ::= props(A) prop(P). { ecc_add_prop(p, A, P); }
props(A) ::= props(A) BAD.
prop(A) ::= HTTP(K). { A = ecc_prop(p, ECC_AST_PROP_HTTP, K); }
prop(A) ::= HTTPS(K). { A = ecc_prop(p, ECC_AST_PROP_HTTPS, K); }
prop(A) ::= EXTERNAL(K). { A = ecc_prop(p, ECC_AST_PROP_EXTERNAL, K); }
prop(A) ::= TIMEOUT(K) DURATION(D). { A = ecc_prop(p, ECC_AST_PROP_TIMEOUT, K); A->ms = ecc_duration(p, D); }
prop(A) ::= RETRY(K) INT(N) BACKOFF range(R). { A = ecc_prop_retry(p, K, N, R); }
prop(A) ::= BREAKER(K) LBRACE TRIP INT(N) CONSECUTIVE trip(T) OPEN DURATION(D) PROBE INT(B) RBRACE. {
    A = ecc_prop_breaker(p, K, N, T, D, B);
}
prop(A) ::= CONCURRENCY(K) INT(N). { A = ecc_prop(p, ECC_AST_PROP_CONCURRENCY, K); A->count = ecc_int(p, N); }
prop(A) ::= ON(K) OPEN FAIL any(E). { A = ecc_prop(p, ECC_AST_PROP_ON_OPEN, K); A->error = ecc_ast_pascal(p, E); }
prop(A) ::= ON(K) FAILURE FAIL any(E). { A = ecc_prop(p, ECC_AST_PROP_ON_FAILURE, K); A->error = ecc_ast_pascal(p, E); }
prop(A) ::= USE(K) any(N). { A = ecc_prop(p, ECC_AST_PROP_USE, K); ecc_prop_name(p, A, N); }
prop(A) ::= prop_list(A).
prop_list(A) ::= PUBLISH(K) any(N). { A = ecc_prop(p, ECC_AST_PROP_PUBLISH, K); ecc_prop_name(p, A, N); }
prop_list(A) ::= CONSUME(K) any(N). { A = ecc_prop(p, ECC_AST_PROP_CONSUME, K); ecc_prop_name(p, A, N); }
prop_list(A) ::= KEYSPACE(K) any(N). { A = ecc_prop(p, ECC_AST_PROP_KEYSPACE, K); ecc_prop_name(p, A, N); }
prop_list(A) ::= prop_list(A) any(N). { ecc_prop_name(p, A, N); }
trip(A) ::= TIMEOUTS. { A = true; }
trip(A) ::= FAILURES. { A = false; }

/* ------------------------------------------------------------------ scenarios */

%type identity_body {struct ecc_ast_decl *}
%type scenario_body {struct ecc_ast_decl *}
%type request {struct ecc_ast_request *}
%type given {struct ecc_ast_request *}
%type expect {struct ecc_ast_clause *}

identity_body(A) ::= IDENTITY(K) any(N) LBRACE. { OPENS; A = ecc_identity(p, K, N); }
identity_body(A) ::= identity_body(A) request(R). { ecc_add_request(p, A, NULL, R); }
identity_body(A) ::= identity_body(A) LET(K) any(N) ASSIGN request(R). { R->span.start = K.start; ecc_add_request(p, A, &N, R); }
identity_body(A) ::= identity_body(A) TOKEN(K) postfix(E). { ecc_identity_token(p, A, K, E); }
identity_body(A) ::= identity_body(A) BAD.

request(A) ::= any(C) any(M) STRING(P). { A = ecc_request(p, C, M, P); }
request(A) ::= request(A) object(B). { ecc_request_body(p, A, B); }
request(A) ::= request(A) TIMES(K) INT(N). { ecc_request_times(p, A, K, N); }

scenario_body(A) ::= SCENARIO(K) any(N) STRING(T) LBRACE. { OPENS; A = ecc_titled(p, ECC_AST_DECL_SCENARIO, K, N, T); }
scenario_body(A) ::= scenario_body(A) GIVEN(K) any(N) SIGNED IN. {
    ecc_clause(p, A, ECC_AST_CLAUSE_SIGNED_IN, K)->u.identity = ecc_ast_kebab(p, N);
}
scenario_body(A) ::= scenario_body(A) GIVEN(K) given(R). { ecc_clause(p, A, ECC_AST_CLAUSE_GIVEN, K)->u.request = R; }
scenario_body(A) ::= scenario_body(A) GIVEN(K) LET any(N) ASSIGN given(R). {
    R->let = ecc_ast_snake(p, N);
    ecc_clause(p, A, ECC_AST_CLAUSE_GIVEN, K)->u.request = R;
}
scenario_body(A) ::= scenario_body(A) WHEN(K) request(R). { ecc_clause(p, A, ECC_AST_CLAUSE_WHEN, K)->u.request = R; }
scenario_body(A) ::= scenario_body(A) ASSUME(K) any(N) DOT any(O) FAILS any(E). { ecc_assume(p, A, K, ECC_ASSUME_FAILS, N, &O, &E); }
scenario_body(A) ::= scenario_body(A) ASSUME(K) any(N) HANGS. { ecc_assume(p, A, K, ECC_ASSUME_HANGS, N, NULL, NULL); }
scenario_body(A) ::= scenario_body(A) ASSUME(K) any(N) DOWN. { ecc_assume(p, A, K, ECC_ASSUME_DOWN, N, NULL, NULL); }
scenario_body(A) ::= scenario_body(A) ASSUME(K) BREAKER any(N) ARROW any(T) OPEN. { ecc_assume(p, A, K, ECC_ASSUME_OPEN, N, &T, NULL); }
scenario_body(A) ::= scenario_body(A) ASSUME(K) any(N) DOT any(S) HOLDS. { ecc_assume(p, A, K, ECC_ASSUME_HOLDS, N, &S, NULL); }
scenario_body(A) ::= scenario_body(A) ASSUME(K) any(N) DOT any(S) MISSES. { ecc_assume(p, A, K, ECC_ASSUME_MISSES, N, &S, NULL); }
scenario_body(A) ::= scenario_body(A) expect(E). { ecc_add_clause(p, A, E); }
scenario_body(A) ::= scenario_body(A) SAY(K) any(F) ARROW any(T) STRING(S). { ecc_say(p, A, K, F, T, S); }
scenario_body(A) ::= scenario_body(A) BAD.
given(A) ::= request(A).
given(A) ::= any(N) DOT any(O) LP args(L) RP. { A = ecc_request_remote(p, ecc_take_remote(p, ecc_expr_remote(p, ecc_expr_name(p, N), O, L))); }
expect(A) ::= EXPECT(K) INT(S). { A = ecc_expect(p, K, S); }
expect(A) ::= expect(A) any(E). { ecc_expect_error(p, A, E); }
expect(A) ::= expect(A) HEADER(K) STRING(N) STRING(V). { ecc_expect_header(p, A, K, N, V); }

/* ------------------------------------------------------------------ asking the machine */

%code {
#include "machine.inc"
}
