/* What the parts of emit_openapi share: the document of one gateway while it is written. */
#ifndef ECC_OPENAPI_H
#define ECC_OPENAPI_H

#include "json_schema.h"
#include "model.h"
#include "yaml.h"

struct ecc_problem { /* what `type` ends in tells one from another */
    const char *name, *title, *pascal;
    int status;
    const char *schema, *response; /* the components; NULL: not made yet */
};

struct ecc_api {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_node *node; /* the gateway */
    const char *problem;         /* the schema of all problems */
    const char *refused;         /* the response of what HTTP itself refuses */
    struct ecc_json_schemas schemas;
    struct ecc_cnames names; /* of responses */
    struct {
        struct ecc_problem **items;
        size_t n, cap;
    } problems;
    const char *unauthorized; /* the response of routes with `auth`, once it is made */
    struct ecc_yaml *parameters, *headers, *responses;
};

/* openapi_problems.c */
void ecc_api_problems_init(struct ecc_api *api);
/* Every refusal that the route can give, by status, into its responses. */
void ecc_api_problems(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *responses);
/* The header of that name, into the headers of a response. */
void ecc_api_header(struct ecc_api *api, struct ecc_yaml *response, const char *name);
/* The limit's headers, where the gateway has one. */
void ecc_api_limit_headers(struct ecc_api *api, struct ecc_yaml *response);

/* openapi_examples.c */
/* What scenarios and identities send to the route: by their names, or of the types where none does. */
void ecc_api_body_examples(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *media);
/* Of a path's parameter, or of a field of the query (path false); NULL: none. */
struct ecc_yaml *ecc_api_param_example(struct ecc_api *api, const struct ecc_route *route, const struct ecc_field *field, bool path);

#endif
