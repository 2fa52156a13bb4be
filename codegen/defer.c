/* A statement without a result needs no answer before the next one is sent: the server runs them in their order, and the first that fails
 * keeps the rest and the commit from happening. So it is deferred, when
 * - it is `sql exec` in a transaction, of the program's own or the one that a lone statement is put into;
 * - what follows from its rows is nothing, or `none -> fail`, which a guard in its text can do at the server (emit_db.c). A text that can
 *   divide has none: its own mistake would look like the guard's;
 * - no `fail` of the transaction could come before its failure is known, and so be told in its place.
 */
#include "defer.h"

#include <string.h>
#include <strings.h>

/* ------------------------------------------------------------------ the transaction that a statement is in */

struct search {
    const struct ecc_stmt *wanted, *tx;
    bool found;
};

static void search_block(struct search *s, const struct ecc_block *block, const struct ecc_stmt *tx);

static void search_stmt(struct search *s, const struct ecc_stmt *stmt, const struct ecc_stmt *tx)
{
    if (stmt == s->wanted) {
        s->found = true;
        s->tx = tx;
    }
    switch (stmt->kind) {
    case ECC_STMT_TX:
        search_block(s, &stmt->u.block, stmt);
        break;
    case ECC_STMT_FOR:
        search_block(s, &stmt->u.loop.body, tx);
        break;
    case ECC_STMT_WHEN:
        search_block(s, &stmt->u.when.then, tx);
        search_block(s, &stmt->u.when.otherwise, tx);
        break;
    case ECC_STMT_CALL:
        for (size_t i = 0; i < stmt->u.call.ncatches; i++)
            search_block(s, &stmt->u.call.catches[i].body, tx);
        break;
    case ECC_STMT_AWAIT:
        search_block(s, &stmt->u.await.late, tx);
        for (size_t i = 0; i < stmt->u.await.ncatches; i++)
            search_block(s, &stmt->u.await.catches[i].body, tx);
        break;
    case ECC_STMT_SQL:
    case ECC_STMT_START:
    case ECC_STMT_PUBLISH:
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
    case ECC_STMT_NEW_ID:
    case ECC_STMT_LET:
    case ECC_STMT_FAIL:
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        break;
    }
}

static void search_block(struct search *s, const struct ecc_block *block, const struct ecc_stmt *tx)
{
    for (size_t i = 0; i < block->nstmts && !s->found; i++)
        search_stmt(s, block->stmts[i], tx);
}

static bool has_fail(const struct ecc_block *block)
{
    for (size_t i = 0; i < block->nstmts; i++) {
        const struct ecc_stmt *stmt = block->stmts[i];

        if (stmt->kind == ECC_STMT_FAIL || (stmt->kind == ECC_STMT_FOR && has_fail(&stmt->u.loop.body)) ||
            (stmt->kind == ECC_STMT_WHEN && (has_fail(&stmt->u.when.then) || has_fail(&stmt->u.when.otherwise))))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the guard */

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (; *text; text++)
        if (strncasecmp(text, word, n) == 0)
            return true;
    return false;
}

static bool takes_guard(const struct ecc_sql *sql)
{
    const char *text = sql->text;

    if (strncasecmp(text, "INSERT", 6) != 0 && strncasecmp(text, "UPDATE", 6) != 0 && strncasecmp(text, "DELETE", 6) != 0)
        return false;
    return !strpbrk(text, "/%;") && !has_word(text, "div(") && !has_word(text, "mod(") && !has_word(text, "div (") &&
           !has_word(text, "mod (");
}

bool ecc_is_deferred(const struct ecc_program *program, const struct ecc_stmt *stmt)
{
    struct search s = {.wanted = stmt};
    const struct ecc_sql *sql = stmt->u.sql;

    if (sql->shape != ECC_SQL_EXEC || stmt->found || (stmt->none && stmt->none->kind != ECC_STMT_FAIL))
        return false;
    if (stmt->none && !takes_guard(sql))
        return false;
    search_block(&s, &program->body, NULL);
    return s.tx ? !has_fail(&s.tx->u.block) : sql->writes && program->repeat == ECC_REPEAT_ATOMIC;
}

bool ecc_is_lone(const struct ecc_program *program, const struct ecc_stmt *stmt)
{
    struct search s = {.wanted = stmt};

    if (!stmt->u.sql->writes || program->repeat != ECC_REPEAT_CLAIM)
        return false;
    search_block(&s, &program->body, NULL);
    return !s.tx;
}
