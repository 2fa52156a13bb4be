/* A language server (LSP 3.17) without its pipes: bytes of the client in, bytes for the client out. tool/cmd_lsp.c has standard input and
 * output. Not thread-safe; one client. */
#ifndef ECC_LSP_H
#define ECC_LSP_H

#include <stdbool.h>
#include <stddef.h>

struct ecc_arena;

struct ecc_lsp_host {
    void (*write)(void *context, const char *bytes, size_t length);
    void (*oom)(void *context); /* does not return */
    /* What stands in ecom.lock beside a file, in the arena; NULL: there is none. May be NULL. */
    const char *(*lock)(void *context, struct ecc_arena *arena, const char *path, size_t *length);
    void *context;
    const char *version; /* of ecomc */
};

struct ecc_lsp;

struct ecc_lsp *ecc_lsp_new(const struct ecc_lsp_host *host); /* host is copied */
void ecc_lsp_free(struct ecc_lsp *lsp);

/* Takes what has come, in pieces of any size, and answers what is whole. False: the client has said `exit`, or spoke nothing that could be
 * followed any further. */
bool ecc_lsp_feed(struct ecc_lsp *lsp, const char *bytes, size_t length);
/* The process's exit code: 0 when `shutdown` came before the end, else 1. */
int ecc_lsp_exit_code(const struct ecc_lsp *lsp);

#endif
