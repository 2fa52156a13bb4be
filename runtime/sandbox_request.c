/* Requests to a sandbox, held to what the topology says of the provider: path, credentials, content type, every field and its type. A
 * field that the call does not have is refused, as a provider would, so that a mistake in the topology is found here first.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "json.h"
#include "sandbox.h"

static bool refuse(struct ec_sbx_refusal *refusal, int status, const char *reason, const char *message)
{
    *refusal = (struct ec_sbx_refusal){status, reason, NULL, message};
    return false;
}

/* Of a field: the message begins with its name. */
static bool refuse_field(struct ec_arena *arena, struct ec_sbx_refusal *refusal, const char *field, const char *message)
{
    *refusal = (struct ec_sbx_refusal){400, "field", ec_arena_printf(arena, "%s", field), ec_arena_printf(arena, "%s %s", field, message)};
    return false;
}

/* ------------------------------------------------------------------ which call */

static bool match_path(const char *pattern, struct ec_str path, struct ec_arena *arena, struct ec_sbx_match *match)
{
    const char *close;
    struct ec_str raw;
    size_t at = 0;
    char stop;

    match->nparts = 0;
    while (*pattern) {
        if (*pattern != '{' || !(close = strchr(pattern, '}'))) {
            if (at == path.n || path.p[at++] != *pattern++)
                return false;
            continue;
        }
        if (match->nparts == EC_SBX_MAX_PARTS)
            return false;
        stop = close[1];
        raw = (struct ec_str){path.p + at, 0};
        while (at < path.n && path.p[at] != '/' && path.p[at] != stop)
            at++;
        raw.n = (size_t)(path.p + at - raw.p);
        match->parts[match->nparts].name = (struct ec_str){pattern + 1, (size_t)(close - pattern - 1)};
        if (raw.n == 0 || !ec_percent_decode(arena, raw, false, &match->parts[match->nparts].value))
            return false;
        match->nparts++;
        pattern = close + 1;
    }
    return at == path.n;
}

bool ec_sbx_find(const struct ec_sandbox *sandbox, const struct ec_http_request *request, struct ec_arena *arena,
                 struct ec_sbx_match *match, struct ec_sbx_refusal *refusal)
{
    bool other_method = false;

    for (match->call = sandbox->calls; match->call->name; match->call++) {
        if (!match_path(match->call->path, request->path, arena, match))
            continue;
        if (ec_str_eq(request->method, (struct ec_str){match->call->method, strlen(match->call->method)}))
            return true;
        other_method = true;
    }
    return other_method ? refuse(refusal, 405, "method", "this path does not take this method")
                        : refuse(refusal, 404, "path", "there is no such path");
}

/* ------------------------------------------------------------------ credentials */

static bool same(struct ec_str a, struct ec_str b)
{
    return a.p && a.n == b.n && sodium_memcmp(a.p, b.p, a.n) == 0;
}

static bool fits(const struct ec_sandbox *sandbox, struct ec_str secret, struct ec_str value, struct ec_arena *arena)
{
    struct ec_str expected;
    char *both, *coded;
    size_t room;

    if (sandbox->auth == EC_AUTH_HEADER)
        return same(value, secret);
    if (sandbox->auth == EC_AUTH_BEARER) {
        expected.p = ec_arena_printf(arena, "Bearer %.*s", (int)secret.n, secret.p);
    } else {
        both = ec_arena_printf(arena, "%.*s:%.*s", (int)sandbox->auth_user->text.n, sandbox->auth_user->text.p, (int)secret.n, secret.p);
        room = sodium_base64_ENCODED_LEN(strlen(both), sodium_base64_VARIANT_ORIGINAL);
        coded = ec_arena_alloc(arena, room);
        sodium_bin2base64(coded, room, (const unsigned char *)both, strlen(both), sodium_base64_VARIANT_ORIGINAL);
        expected.p = ec_arena_printf(arena, "Basic %s", coded);
    }
    expected.n = strlen(expected.p);
    return same(value, expected);
}

/* A provider accepts the old key for a while beside the new one, and so does its stand-in. */
bool ec_sbx_authorized(const struct ec_sandbox *sandbox, const struct ec_http_request *request, struct ec_arena *arena)
{
    struct ec_str value, others, line;
    bool good;

    if (sandbox->auth == EC_AUTH_NONE)
        return true;
    value = ec_http_header(request, sandbox->auth == EC_AUTH_HEADER ? sandbox->auth_header : "authorization");
    good = fits(sandbox, sandbox->auth_secret->text, value, arena);
    for (others = sandbox->auth_secret->others; !good && (line = ec_line_next(&others)).p;)
        good = fits(sandbox, line, value, arena);
    return good;
}

/* ------------------------------------------------------------------ fields */

static bool content_type_is(const struct ec_http_request *request, const char *type)
{
    struct ec_str value = ec_http_header(request, "content-type");
    size_t n = strlen(type);

    return value.n >= n && strncasecmp(value.p, type, n) == 0 && (value.n == n || value.p[n] == ';' || value.p[n] == ' ');
}

/* The fields that are in the path go into the struct; the others stay in the record that the body is read by. A part that is no field is a
 * setting: the account's must be ours, of another one nothing is known. */
static bool take_path(const struct ec_sandbox *sandbox, const struct ec_sbx_match *match, struct ec_arena *arena, struct ec_record *rest,
                      struct ec_field *fields, char *out, struct ec_sbx_refusal *refusal)
{
    const struct ec_record *record = match->call->in;
    struct ec_json_error error;
    bool found;
    size_t i, j;

    rest->nfields = 0;
    for (j = 0; record && j < record->nfields; j++) {
        found = false;
        for (i = 0; i < match->nparts; i++) {
            if (!ec_str_eq(match->parts[i].name, (struct ec_str){record->fields[j].name, strlen(record->fields[j].name)}))
                continue;
            found = true;
            if (ec_scalar_read(arena, match->parts[i].value, &record->fields[j], out + record->fields[j].offset, &error) != EC_JSON_OK)
                return refuse_field(arena, refusal, record->fields[j].name, error.message);
        }
        if (!found)
            fields[rest->nfields++] = record->fields[j];
    }
    for (i = 0; i < match->nparts; i++)
        if (sandbox->auth_user &&
            ec_str_eq(match->parts[i].name, (struct ec_str){sandbox->auth_user->name, strlen(sandbox->auth_user->name)}) &&
            !ec_str_eq(match->parts[i].value, sandbox->auth_user->text))
            return refuse(refusal, 404, "path", "there is no such account");
    return true;
}

json_t *ec_sbx_read(const struct ec_sandbox *sandbox, const struct ec_sbx_match *match, const struct ec_http_request *request,
                    struct ec_arena *arena, struct ec_sbx_refusal *refusal)
{
    const struct ec_sbx_call *call = match->call;
    enum ec_json_status status = EC_JSON_OK;
    struct ec_json_error error = {"", ""};
    struct ec_record rest = {0};
    struct ec_buf text = {NULL, 0, 0};
    json_t *object;
    char *out;

    if (!call->in)
        return json_object();
    rest = *call->in;
    rest.fields = ec_arena_array(arena, call->in->nfields + 1, sizeof(struct ec_field));
    out = ec_arena_alloc(arena, call->in->size + 1);
    if (call->encoding == EC_ENC_FORM && !content_type_is(request, "application/x-www-form-urlencoded")) {
        refuse(refusal, 415, "encoding", "the body must be application/x-www-form-urlencoded");
        return NULL;
    }
    if (call->encoding == EC_ENC_JSON && !content_type_is(request, "application/json")) {
        refuse(refusal, 415, "encoding", "the body must be application/json");
        return NULL;
    }
    /* First for the record of the rest; reading the body by it writes the whole struct, so the path's fields are put in again after it. */
    if (!take_path(sandbox, match, arena, &rest, (struct ec_field *)rest.fields, out, refusal))
        return NULL;
    switch (call->encoding) {
    case EC_ENC_FORM:
        status = ec_form_read(arena, request->body, &rest, out, 0, &error);
        break;
    case EC_ENC_JSON:
        status = ec_json_read(arena, request->body, &rest, out, 0, &error);
        break;
    case EC_ENC_QUERY:
        status = ec_form_read(arena, request->query, &rest, out, 0, &error);
        break;
    case EC_ENC_NONE:
        break;
    }
    if (status != EC_JSON_OK) {
        if (error.path[0])
            refuse_field(arena, refusal, error.path, error.message);
        else
            refuse(refusal, 400, "field", ec_arena_printf(arena, "%s", error.message));
        return NULL;
    }
    if (!take_path(sandbox, match, arena, &rest, (struct ec_field *)rest.fields, out, refusal))
        return NULL;
    ec_json_write(&text, call->in, out);
    object = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    ec_buf_free(&text);
    if (!object)
        refuse(refusal, 400, "field", "the request can't be kept");
    return object;
}
