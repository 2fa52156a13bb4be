/* libpq, loaded when the first of its functions is called.
 *
 * Debian's libpq brings twenty libraries (LDAP, Kerberos, GnuTLS), whose start takes more time than `check` does. Only what looks into a
 * running system needs it. These are libpq's own names and prototypes, so nobody who includes libpq-fe.h sees the difference.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include <libpq-fe.h>

#include "cli.h"

static void *function(const char *name)
{
    static void *library;
    void *found = NULL;

    if (!library)
        library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library)
        found = dlsym(library, name);
    if (!found)
        exit(ecc_say_error(ECC_EXIT_INTERNAL, "libpq can't be loaded: %s", dlerror()));
    return found;
}

/* X(result, name, parameters, arguments) */
#define FUNCTIONS(X)                                                                                                                  \
    X(PGconn *, PQconnectdb, (const char *info), (info))                                                                              \
    X(void, PQfinish, (PGconn * conn), (conn))                                                                                        \
    X(PGPing, PQping, (const char *info), (info))                                                                                     \
    X(ConnStatusType, PQstatus, (const PGconn *conn), (conn))                                                                         \
    X(char *, PQerrorMessage, (const PGconn *conn), (conn))                                                                           \
    X(PGresult *, PQexec, (PGconn * conn, const char *query), (conn, query))                                                          \
    X(PGresult *, PQexecParams,                                                                                                       \
      (PGconn * conn, const char *command, int n, const Oid *types, const char *const *values, const int *lengths, const int *formats, \
       int format),                                                                                                                   \
      (conn, command, n, types, values, lengths, formats, format))                                                                    \
    X(PGresult *, PQgetResult, (PGconn * conn), (conn))                                                                               \
    X(ExecStatusType, PQresultStatus, (const PGresult *result), (result))                                                             \
    X(char *, PQresultErrorMessage, (const PGresult *result), (result))                                                               \
    X(void, PQclear, (PGresult * result), (result))                                                                                   \
    X(int, PQntuples, (const PGresult *result), (result))                                                                             \
    X(int, PQnfields, (const PGresult *result), (result))                                                                             \
    X(char *, PQfname, (const PGresult *result, int column), (result, column))                                                        \
    X(char *, PQgetvalue, (const PGresult *result, int row, int column), (result, row, column))                                       \
    X(int, PQgetisnull, (const PGresult *result, int row, int column), (result, row, column))                                         \
    X(int, PQputCopyData, (PGconn * conn, const char *data, int n), (conn, data, n))                                                  \
    X(int, PQputCopyEnd, (PGconn * conn, const char *error), (conn, error))                                                           \
    X(int, PQgetCopyData, (PGconn * conn, char **data, int async), (conn, data, async))                                               \
    X(void, PQfreemem, (void *memory), (memory))

#define X(result, name, parameters, arguments)                                                                                        \
    result name parameters                                                                                                            \
    {                                                                                                                                 \
        static __typeof__(&name) late;                                                                                                \
        if (!late)                                                                                                                    \
            late = (__typeof__(&name))function(#name);                                                                                \
        return late arguments;                                                                                                        \
    }
FUNCTIONS(X)
#undef X
