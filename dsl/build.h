/* Constructors of the syntax tree, called by the actions of grammar.y: ast_text.c, ast_expr.c, ast_stmt.c, ast_node.c.
 *
 * A parameter `k` is the first token of what is made, the word that begins it. A constructor never returns NULL; what is wrong with its
 * parts it reports, and goes on with something usable. Functions that add to a node report a part that is given twice.
 */
#ifndef ECC_BUILD_H
#define ECC_BUILD_H

#include "parser.h"

struct ecc_token_list {
    struct ecc_token *items;
    size_t n, cap;
};

struct ecc_bounds {
    int64_t min, max;
    struct ecc_span span;
};

struct ecc_token_list *ecc_token_list(struct ecc_parser *p);
void ecc_token_push(struct ecc_parser *p, struct ecc_token_list *list, struct ecc_token t);

/* Reports `what` at t when it is there already. */
bool ecc_once(struct ecc_parser *p, bool already, struct ecc_token t, const char *what);

/* ---- names, numbers, texts (ast_text.c) */

struct ecc_name ecc_name(struct ecc_parser *p, struct ecc_token t);
struct ecc_name ecc_any_name(struct ecc_parser *p, struct ecc_token t);
struct ecc_name ecc_ast_snake(struct ecc_parser *p, struct ecc_token t);
struct ecc_name ecc_ast_kebab(struct ecc_parser *p, struct ecc_token t);
struct ecc_name ecc_ast_pascal(struct ecc_parser *p, struct ecc_token t);
struct ecc_name ecc_env(struct ecc_parser *p, struct ecc_token t);
struct ecc_name ecc_method(struct ecc_parser *p, struct ecc_token t);
struct ecc_text ecc_string(struct ecc_parser *p, struct ecc_token t);
struct ecc_text ecc_ast_sql(struct ecc_parser *p, struct ecc_token t);
struct ecc_text ecc_raw(struct ecc_parser *p, struct ecc_token t);
int64_t ecc_int(struct ecc_parser *p, struct ecc_token t);
double ecc_float(struct ecc_parser *p, struct ecc_token t);
int64_t ecc_duration(struct ecc_parser *p, struct ecc_token t);
void ecc_rate(struct ecc_parser *p, struct ecc_token t, int64_t *count, int64_t *period_ms);
int64_t ecc_version(struct ecc_parser *p, struct ecc_token t);

/* ---- types, fields, expressions (ast_expr.c) */

struct ecc_ast_type *ecc_type_named(struct ecc_parser *p, struct ecc_token t);
struct ecc_ast_type *ecc_type_list(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_type *item);
struct ecc_ast_type *ecc_type_record(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_fields *fields);
struct ecc_ast_type *ecc_type_bounded(struct ecc_parser *p, struct ecc_ast_type *type, struct ecc_bounds bounds);
void ecc_ast_optional(struct ecc_parser *p, struct ecc_ast_type *type);
struct ecc_bounds ecc_bounds(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *min, const struct ecc_token *max);
struct ecc_ast_range ecc_range(struct ecc_parser *p, struct ecc_token min, struct ecc_token max);
struct ecc_ast_field *ecc_field(struct ecc_parser *p, struct ecc_token n, struct ecc_ast_type *type);
void ecc_field_wire(struct ecc_parser *p, struct ecc_ast_field *field, struct ecc_token k, struct ecc_token t);
void ecc_field_default(struct ecc_parser *p, struct ecc_ast_field *field, struct ecc_token k, struct ecc_ast_expr *value);
void ecc_field_was(struct ecc_parser *p, struct ecc_ast_field *field, struct ecc_token k, struct ecc_token n);
struct ecc_ast_expr *ecc_expr(struct ecc_parser *p, enum ecc_ast_expr_kind kind, uint32_t start);
struct ecc_ast_expr *ecc_expr_text(struct ecc_parser *p, struct ecc_token t);
struct ecc_ast_expr *ecc_expr_int(struct ecc_parser *p, struct ecc_token t);
struct ecc_ast_expr *ecc_expr_float(struct ecc_parser *p, struct ecc_token t);
struct ecc_ast_expr *ecc_expr_bool(struct ecc_parser *p, struct ecc_token t, bool value);
struct ecc_ast_expr *ecc_expr_name(struct ecc_parser *p, struct ecc_token t);
struct ecc_ast_expr *ecc_expr_member(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_token n);
struct ecc_ast_expr *ecc_expr_quoted(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_token n); /* of."name" */
struct ecc_ast_expr *ecc_expr_index(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_ast_expr *key);
struct ecc_ast_expr *ecc_expr_missing(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *what);
struct ecc_ast_expr *ecc_expr_unary(struct ecc_parser *p, enum ecc_operator op, struct ecc_token k, struct ecc_ast_expr *of);
struct ecc_ast_expr *ecc_expr_binary(struct ecc_parser *p, enum ecc_operator op, struct ecc_token k, struct ecc_ast_expr *left,
    struct ecc_ast_expr *right);
struct ecc_ast_expr *ecc_expr_list(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_exprs *items);
struct ecc_ast_expr *ecc_expr_record(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *type, struct ecc_ast_inits *inits);
struct ecc_ast_init *ecc_init_quoted(struct ecc_parser *p, struct ecc_token n, struct ecc_ast_expr *value);
struct ecc_ast_init *ecc_init(struct ecc_parser *p, const struct ecc_token *n, struct ecc_ast_expr *value);
struct ecc_ast_init *ecc_init_spread(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *value);
void ecc_claim(struct ecc_parser *p, const struct ecc_ast_expr *expr);
void ecc_report_unclaimed(struct ecc_parser *p);
struct ecc_ast_expr *ecc_expr_invoke(struct ecc_parser *p, struct ecc_ast_expr *callee, struct ecc_ast_inits *args);
struct ecc_ast_expr *ecc_expr_remote(struct ecc_parser *p, struct ecc_ast_expr *node, struct ecc_token op, struct ecc_ast_inits *args);
struct ecc_ast_remote *ecc_take_remote(struct ecc_parser *p, struct ecc_ast_expr *expr);
struct ecc_ast_keyed *ecc_take_keyed(struct ecc_parser *p, struct ecc_ast_expr *expr);
void ecc_check_value(struct ecc_parser *p, const struct ecc_ast_expr *expr);

/* ---- statements (ast_stmt.c) */

struct ecc_ast_stmt *ecc_stmt_sql(struct ecc_parser *p, struct ecc_token k, enum ecc_sql_shape shape, struct ecc_token t);
struct ecc_ast_stmt *ecc_stmt_value(struct ecc_parser *p, struct ecc_ast_expr *expr);
struct ecc_ast_stmt *ecc_stmt_call(struct ecc_parser *p, struct ecc_ast_expr *expr);
struct ecc_ast_stmt *ecc_stmt_start(struct ecc_parser *p, struct ecc_token k, struct ecc_token saga, struct ecc_ast_inits *args);
struct ecc_ast_stmt *ecc_stmt_let(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_stmt *stmt);
struct ecc_ast_stmt *ecc_stmt_await(struct ecc_parser *p, struct ecc_token k, struct ecc_token n);
void ecc_stmt_none(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_stmt *out);
void ecc_stmt_found(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_stmt *out);
void ecc_stmt_key(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_expr *key);
void ecc_stmt_catch(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_token error,
    struct ecc_ast_block *body);
void ecc_stmt_late(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_block *body);
struct ecc_ast_stmt *ecc_stmt_tx(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_block *body);
struct ecc_ast_stmt *ecc_stmt_publish(struct ecc_parser *p, struct ecc_token k, struct ecc_token event, struct ecc_ast_expr *body);
struct ecc_ast_stmt *ecc_stmt_put(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_keyed *keyed, struct ecc_ast_expr *value);
struct ecc_ast_stmt *ecc_stmt_drop(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_keyed *keyed);
struct ecc_ast_stmt *ecc_stmt_for(struct ecc_parser *p, struct ecc_token k, struct ecc_token item, struct ecc_ast_expr *list,
    struct ecc_ast_block *body);
struct ecc_ast_stmt *ecc_stmt_when(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *cond, struct ecc_ast_block *then);
void ecc_stmt_else(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_ast_block *otherwise);
struct ecc_ast_stmt *ecc_stmt_fail(struct ecc_parser *p, struct ecc_token k, struct ecc_token error, struct ecc_ast_expr *cond);
struct ecc_ast_stmt *ecc_stmt_return(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *value);
struct ecc_ast_stmt *ecc_stmt_accept(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *value);

/* ---- shared words, buses, caches, externals (ast_node.c) */

struct ecc_ast_decl *ecc_nameless(struct ecc_parser *p, enum ecc_ast_decl_kind kind, struct ecc_token k);
struct ecc_ast_decl *ecc_titled(struct ecc_parser *p, enum ecc_ast_decl_kind kind, struct ecc_token k, struct ecc_token n,
    struct ecc_token t);
void ecc_end_decl(struct ecc_parser *p, struct ecc_ast_decl *decl);
void ecc_add_decl(struct ecc_parser *p, struct ecc_ast_decl *decl);
struct ecc_ast_decl *ecc_decl_enum(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token_list *values);
struct ecc_ast_decl *ecc_decl_record(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_fields *fields);
struct ecc_ast_decl *ecc_decl_error(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token status,
    struct ecc_token t);
struct ecc_ast_decl *ecc_decl_event(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token version,
    struct ecc_ast_fields *fields);
struct ecc_ast_topic *ecc_topic(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token key,
    struct ecc_token partitions);
void ecc_topic_retention(struct ecc_parser *p, struct ecc_ast_topic *topic, struct ecc_token k, struct ecc_token duration);
void ecc_add_topic(struct ecc_parser *p, struct ecc_ast_decl *bus, struct ecc_ast_topic *topic, struct ecc_token_list *events);
struct ecc_ast_keyspace *ecc_keyspace(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_field *key,
    struct ecc_token value, struct ecc_token ttl);
void ecc_keyspace_near(struct ecc_parser *p, struct ecc_ast_keyspace *space, struct ecc_token k, struct ecc_token duration);
void ecc_add_keyspace(struct ecc_parser *p, struct ecc_ast_decl *cache, struct ecc_ast_keyspace *space);
void ecc_external_base(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token url, struct ecc_token env);
void ecc_external_auth(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, enum ecc_ext_auth kind,
    const struct ecc_token *who, const struct ecc_token *secret);
struct ecc_ast_setting *ecc_setting(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_type *type,
    struct ecc_token env, struct ecc_ast_expr *dflt);
struct ecc_ast_ext_call *ecc_ext_call(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token method,
    struct ecc_token path);
void ecc_ext_call_request(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, enum ecc_encoding encoding,
    struct ecc_ast_fields *fields);
void ecc_ext_call_reply(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, struct ecc_ast_type *type);
void ecc_ext_call_idempotency(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, struct ecc_token header);
void ecc_add_status_error(struct ecc_parser *p, struct ecc_ast_status_errors *errors, struct ecc_token status, struct ecc_token error);
void ecc_ext_call_errors(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, struct ecc_ast_status_errors *errors);
void ecc_add_ext_call(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_ext_call *call);
struct ecc_ast_sandbox *ecc_sandbox(struct ecc_parser *p, struct ecc_token k);
void ecc_add_stores(struct ecc_parser *p, struct ecc_ast_sandbox *sandbox, struct ecc_token_list *list);
struct ecc_ast_sbx_rule *ecc_rule(struct ecc_parser *p, struct ecc_token k, struct ecc_token call, struct ecc_ast_expr *when,
    struct ecc_token status);
struct ecc_ast_sbx_rule *ecc_refusal(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *when, const struct ecc_token *status);
void ecc_rule_body(struct ecc_parser *p, struct ecc_ast_sbx_rule *rule, struct ecc_ast_expr *body);
void ecc_rule_keep(struct ecc_parser *p, struct ecc_ast_sbx_rule *rule, struct ecc_token k, struct ecc_ast_expr *what);
void ecc_rule_set(struct ecc_parser *p, struct ecc_ast_sbx_rule *rule, struct ecc_token k, struct ecc_ast_expr *target,
    struct ecc_ast_expr *value);
void ecc_add_rule(struct ecc_parser *p, struct ecc_ast_sandbox *sandbox, struct ecc_ast_sbx_rule *rule);
void ecc_add_sandbox(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_sandbox *sandbox);

/* ---- services, sagas (ast_service.c) */

struct ecc_ast_database *ecc_database(struct ecc_parser *p, struct ecc_token k, struct ecc_token n);
struct ecc_ast_table *ecc_table(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *n);
void ecc_table_was(struct ecc_parser *p, struct ecc_ast_table *table, struct ecc_token k, struct ecc_token n);
void ecc_add_constraint(struct ecc_parser *p, struct ecc_ast_constraints *constraints, enum ecc_constraint_kind kind, struct ecc_token k,
    struct ecc_token raw);
struct ecc_ast_column *ecc_column(struct ecc_parser *p, struct ecc_token n, struct ecc_ast_type *type);
void ecc_column_primary(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k);
void ecc_column_unique(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k);
void ecc_column_references(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_token table);
void ecc_column_default(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_ast_expr *value);
void ecc_column_check(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_token raw);
void ecc_column_was(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_token n);
void ecc_add_column(struct ecc_parser *p, struct ecc_ast_table *table, struct ecc_ast_column *column);
void ecc_add_table(struct ecc_parser *p, struct ecc_ast_database *database, struct ecc_ast_table *table);
void ecc_add_seed(struct ecc_parser *p, struct ecc_ast_database *database, struct ecc_token k, struct ecc_token table,
    struct ecc_ast_inits *values);
struct ecc_ast_drop *ecc_drop(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *service, struct ecc_token table,
    const struct ecc_token *column, struct ecc_token why);
struct ecc_ast_decl *ecc_decl_drop(struct ecc_parser *p, struct ecc_token k, struct ecc_token service, struct ecc_token table,
    const struct ecc_token *column, struct ecc_token why);
struct ecc_ast_decl *ecc_decl_drop_release(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *saga,
    const struct ecc_token *event, const struct ecc_token *version, struct ecc_token why);
void ecc_add_database(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_database *database);
void ecc_service_jwt(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token issuer,
    struct ecc_token audience, struct ecc_token secret);
void ecc_service_workers(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token n);
struct ecc_ast_op *ecc_op(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *n, struct ecc_ast_fields *params);
void ecc_op_result(struct ecc_parser *p, struct ecc_ast_op *op, struct ecc_token k, struct ecc_ast_type *type);
void ecc_op_errors(struct ecc_parser *p, struct ecc_ast_op *op, struct ecc_token k, struct ecc_token_list *errors);
void ecc_op_was(struct ecc_parser *p, struct ecc_ast_op *op, struct ecc_token k, struct ecc_token n);
void ecc_add_op(struct ecc_parser *p, struct ecc_ast_decl *service, struct ecc_ast_op *op, struct ecc_ast_block *body);
struct ecc_ast_consumer *ecc_consumer(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *event, struct ecc_token var,
    struct ecc_token topic, struct ecc_token group);
void ecc_consumer_retry(struct ecc_parser *p, struct ecc_ast_consumer *consumer, struct ecc_token k, struct ecc_token n,
    struct ecc_ast_range backoff);
void ecc_consumer_then(struct ecc_parser *p, struct ecc_ast_consumer *consumer, struct ecc_token k, bool dead_letter);
void ecc_add_consumer(struct ecc_parser *p, struct ecc_ast_decl *service, struct ecc_ast_consumer *consumer, struct ecc_ast_block *body);
struct ecc_ast_decl *ecc_saga(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token service,
    struct ecc_ast_fields *params);
struct ecc_ast_step *ecc_step(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_remote *run);
void ecc_step_undo(struct ecc_parser *p, struct ecc_ast_step *step, struct ecc_token k, struct ecc_ast_remote *undo);
void ecc_add_step(struct ecc_parser *p, struct ecc_ast_decl *saga, struct ecc_ast_step *step);
void ecc_saga_done(struct ecc_parser *p, struct ecc_ast_decl *saga, struct ecc_token k, struct ecc_ast_block *body);
void ecc_saga_failed(struct ecc_parser *p, struct ecc_ast_decl *saga, struct ecc_token k, struct ecc_ast_block *body);

/* ---- gateways, edges, scenarios (ast_edge.c) */

void ecc_gateway_listen(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token port, bool tls);
void ecc_gateway_auth(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_ast_remote *via,
    struct ecc_token cache, struct ecc_ast_keyed *while_);
struct ecc_ast_limit *ecc_quota(struct ecc_parser *p, struct ecc_token rate, struct ecc_token burst);
void ecc_quota_lease(struct ecc_parser *p, struct ecc_ast_limit *limit, struct ecc_token lease);
void ecc_gateway_limit(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_ast_limit *limit,
    enum ecc_limit_per per, struct ecc_token cache, bool allow);
struct ecc_ast_route *ecc_route_open(struct ecc_parser *p, struct ecc_token k, struct ecc_token method,
                                     struct ecc_token path); /* an error */
struct ecc_ast_route *ecc_route(struct ecc_parser *p, struct ecc_token k, struct ecc_token method, struct ecc_token path, bool auth);
void ecc_route_reply(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k, struct ecc_token status);
void ecc_route_accepted(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k, struct ecc_token path);
void ecc_route_idempotent(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k);
void ecc_route_cache(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k, struct ecc_ast_keyed *cache);
void ecc_add_branch(struct ecc_parser *p, struct ecc_ast_branches *branches, struct ecc_token n, bool required,
    struct ecc_ast_remote *call);
void ecc_add_route(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_route *route);
struct ecc_ast_prop *ecc_prop(struct ecc_parser *p, enum ecc_ast_prop_kind kind, struct ecc_token k);
struct ecc_ast_prop *ecc_prop_retry(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_range range);
struct ecc_ast_prop *ecc_prop_breaker(struct ecc_parser *p, struct ecc_token k, struct ecc_token trip, bool timeouts_only,
    struct ecc_token open, struct ecc_token probes);
void ecc_prop_name(struct ecc_parser *p, struct ecc_ast_prop *prop, struct ecc_token n);
void ecc_add_prop(struct ecc_parser *p, struct ecc_ast_props *props, struct ecc_ast_prop *prop);
struct ecc_ast_decl *ecc_decl_policy(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_props *props);
struct ecc_ast_decl *ecc_decl_edge(struct ecc_parser *p, struct ecc_token k, struct ecc_token from, struct ecc_token to,
    struct ecc_ast_props *props);
struct ecc_ast_decl *ecc_decl_forbid(struct ecc_parser *p, struct ecc_token k, struct ecc_token from, struct ecc_token to,
    struct ecc_token why);
struct ecc_ast_decl *ecc_decl_invariant(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, const struct ecc_token_list *nodes,
                                        struct ecc_token sql);
struct ecc_ast_request *ecc_request(struct ecc_parser *p, struct ecc_token client, struct ecc_token method, struct ecc_token path);
struct ecc_ast_request *ecc_request_remote(struct ecc_parser *p, struct ecc_ast_remote *remote);
void ecc_request_body(struct ecc_parser *p, struct ecc_ast_request *request, struct ecc_ast_expr *body);
void ecc_request_times(struct ecc_parser *p, struct ecc_ast_request *request, struct ecc_token k, struct ecc_token n);
struct ecc_ast_decl *ecc_identity(struct ecc_parser *p, struct ecc_token k, struct ecc_token n);
void ecc_add_request(struct ecc_parser *p, struct ecc_ast_decl *identity, const struct ecc_token *let, struct ecc_ast_request *request);
void ecc_identity_token(struct ecc_parser *p, struct ecc_ast_decl *identity, struct ecc_token k, struct ecc_ast_expr *path);
void ecc_add_clause(struct ecc_parser *p, struct ecc_ast_decl *scenario, struct ecc_ast_clause *clause);
struct ecc_ast_clause *ecc_clause(struct ecc_parser *p, struct ecc_ast_decl *scenario, enum ecc_ast_clause_kind kind, struct ecc_token k);
void ecc_assume(struct ecc_parser *p, struct ecc_ast_decl *scenario, struct ecc_token k, enum ecc_assume_kind kind, struct ecc_token node,
    const struct ecc_token *b, const struct ecc_token *error);
struct ecc_ast_clause *ecc_expect(struct ecc_parser *p, struct ecc_token k, struct ecc_token status);
void ecc_expect_error(struct ecc_parser *p, struct ecc_ast_clause *clause, struct ecc_token error);
void ecc_expect_header(struct ecc_parser *p, struct ecc_ast_clause *clause, struct ecc_token k, struct ecc_token name,
    struct ecc_token value);
void ecc_say(struct ecc_parser *p, struct ecc_ast_decl *scenario, struct ecc_token k, struct ecc_token from, struct ecc_token to,
    struct ecc_token text);

#endif
