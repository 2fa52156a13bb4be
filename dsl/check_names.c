/* Names that have to fit what is made of them. What is deployed is a host, a label, a Secret, each with something of ours in front or
 * behind; PostgreSQL cuts an identifier at 63 bytes without an error. A name that is longer would be a deployment that is refused, or two
 * things of one name.
 */
#include "resolve.h"

#include <string.h>

/* A label of DNS and of Kubernetes has 63 bytes, CloudNativePG's clusters have 50 (`<service>-db`), a swarm's secrets 64 with the stack
 * before them (`<stack>_<service>-db.password`), of which 11 are left for the stack. */
enum { LONGEST_NODE = 40, LONGEST_SECRET = 52, LONGEST_IDENTIFIER = 63 };

static void check_length(struct ecc_resolver *r, const char *what, const char *name, size_t most, struct ecc_span span, const char *why)
{
    size_t n = strlen(name);

    if (n > most)
        ecc_diag(r->diags, ECC_E_TOO_LONG, span, "%s has %zu characters, and can have %zu: %s", what, n, most, why);
}

/* The file of a secret is called as its variable is. */
void ecc_check_env(struct ecc_resolver *r, const struct ecc_name *name)
{
    static const char *const taken[] = {"PORT",          "ADMIN_PORT", "HOST", "DATABASE_URL", "REDIS_URL",
                                        "KAFKA_BROKERS", "LOG_LEVEL",  "PATH", "HOME"};
    bool found = name->text && strncmp(name->text, "EC_", 3) == 0;

    for (size_t i = 0; name->text && !found && i < sizeof taken / sizeof *taken; i++)
        found = strcmp(name->text, taken[i]) == 0;
    if (found)
        ecc_diag(r->diags, ECC_E_RESERVED, name->span, "every process has %s for itself", name->text);
    if (name->text)
        check_length(r, "the name of a variable", name->text, LONGEST_SECRET, name->span, "a secret is called by it");
}

/* What beside a node has a name that begins with the node's. */
static const struct {
    enum ecc_node_kind kind;
    const char *suffix, *what;
} beside[] = {
    {ECC_NODE_SERVICE, "-db", "the database"},        {ECC_NODE_SERVICE, "-db-r", "the database"},
    {ECC_NODE_SERVICE, "-db-ro", "the database"},     {ECC_NODE_SERVICE, "-db-rw", "the database"},
    {ECC_NODE_SERVICE, "-migrate", "the migration"},  {ECC_NODE_EXTERNAL, "-sandbox", "the sandbox"},
    {ECC_NODE_BUS, "-kafka-bootstrap", "the broker"}, {ECC_NODE_BUS, "-kafka-brokers", "the broker"},
};

static bool is_there(const struct ecc_node *node)
{
    return (node->kind != ECC_NODE_SERVICE || node->u.service.has_database) &&
           (node->kind != ECC_NODE_EXTERNAL || node->u.external.has_sandbox);
}

static const struct ecc_node *named(const struct ecc_resolver *r, const char *name, size_t n)
{
    for (size_t i = 0; i < r->model->nnodes; i++)
        if (strlen(r->model->nodes[i]->name) == n && !memcmp(r->model->nodes[i]->name, name, n))
            return r->model->nodes[i];
    return NULL;
}

static void check_taken(struct ecc_resolver *r, const struct ecc_node *node)
{
    static const char *const ours[] = {"grafana", "prometheus", "studio"};
    size_t n = strlen(node->name);

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!strcmp(node->name, ours[i]))
            ecc_diag(r->diags, ECC_E_RESERVED, node->span, "`%s` is what stands beside every system", node->name);
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        size_t tail = strlen(beside[i].suffix);
        if (n <= tail || strcmp(node->name + n - tail, beside[i].suffix) != 0)
            continue;
        const struct ecc_node *of = named(r, node->name, n - tail);
        if (!of || of->kind != beside[i].kind || !is_there(of))
            continue;
        struct ecc_diag *d =
            ecc_diag(r->diags, ECC_E_RESERVED, node->span, "`%s` is %s of %s, where it is deployed", node->name, beside[i].what, of->name);
        ecc_diag_second(d, of->span, "declared here");
        return;
    }
}

static void check_tables(struct ecc_resolver *r, const struct ecc_service *service)
{
    static const char why[] = "PostgreSQL would cut it off";

    for (size_t i = 0; i < service->ntables; i++) {
        const struct ecc_table *table = service->tables[i];
        check_length(r, "the name of a table", table->name, LONGEST_IDENTIFIER, table->span, why);
        for (size_t k = 0; k < table->ncolumns; k++)
            check_length(r, "the name of a column", table->columns[k].name, LONGEST_IDENTIFIER, table->columns[k].span, why);
    }
}

/* `ecomc up` and Compose give the ports of gateways to one machine. */
static void check_port(struct ecc_resolver *r, const struct ecc_node *gateway)
{
    int port = gateway->u.gateway.port;
    const struct ecc_symbol *first =
        ecc_symbols_add(&r->symbols, r->model, ecc_arena_printf(r->arena, "port %d", port), (void *)(uintptr_t)gateway, gateway->span);

    if (!first)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_RESERVED, gateway->span, "%s listens on port %d, as another gateway does", gateway->name, port);
    ecc_diag_second(d, first->span, "this one");
    ecc_diag_help(r->diags, d, "give it a port of its own: `listen %d`", port < 65535 ? port + 1 : port - 1);
}

void ecc_check_names(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->model->nnodes; i++) {
        const struct ecc_node *node = r->model->nodes[i];
        if (node->kind == ECC_NODE_CLIENT) /* nobody deploys it */
            continue;
        check_length(r, "the name of what is deployed", node->name, LONGEST_NODE, node->span, "hosts, labels and secrets are made of it");
        check_taken(r, node);
        if (node->kind == ECC_NODE_SERVICE)
            check_tables(r, &node->u.service);
        if (node->kind == ECC_NODE_GATEWAY)
            check_port(r, node);
    }
}
