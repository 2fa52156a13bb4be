/* Configuration from the environment: NAME, or NAME_FILE for what is mounted as a file (secrets).
 *
 * Every mistake becomes a line in one list, so that a process tells all of them at once. A value is never in a message: it may be a
 * secret. An empty value counts as absent. What is returned is malloc'd and the caller's; texts of settings live as long as the process.
 */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

enum { MAX_FILE = 1024 * 1024 };

struct ec_app ec_app;

bool ec_app_reuse_port(void)
{
    return ec_app.service && ec_app.service->workers > 1;
}

void ec_config_error(struct ec_config_errors *errors, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!errors)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ec_buf_printf(&errors->text, "%s\n", text);
    errors->n++;
}

/* The file's text without a trailing newline; NULL with a line in errors. */
static char *from_file(struct ec_config_errors *errors, const char *name, const char *path)
{
    struct ec_buf buf = {NULL, 0, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0) {
        ec_config_error(errors, "%s_FILE can't be read: %s", name, strerror(errno));
        return NULL;
    }
    while (buf.n <= MAX_FILE) {
        n = read(fd, ec_buf_reserve(&buf, 4096), 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf.n += (size_t)n;
    }
    if (n < 0)
        ec_config_error(errors, "%s_FILE can't be read: %s", name, strerror(errno));
    close(fd);
    if (n < 0) {
        ec_buf_free(&buf);
        return NULL;
    }
    if (buf.n > MAX_FILE || (buf.n && memchr(buf.p, 0, buf.n))) {
        ec_config_error(errors, buf.n > MAX_FILE ? "%s_FILE is larger than 1 MiB" : "%s_FILE holds a NUL byte", name);
        ec_buf_free(&buf);
        return NULL;
    }
    if (buf.n && buf.p[buf.n - 1] == '\n')
        buf.n--;
    if (buf.n && buf.p[buf.n - 1] == '\r')
        buf.n--;
    ec_buf_reserve(&buf, 1)[0] = 0;
    return buf.p;
}

static char *duplicate(const char *text)
{
    char *p = strdup(text);

    if (!p)
        ec_panic("out of memory");
    return p;
}

/* What is set, or NULL; *mistaken tells that a line has been added. */
static char *lookup(struct ec_config_errors *errors, const char *name, bool *mistaken)
{
    char file_name[256];
    const char *value = getenv(name), *path;
    char *text;

    snprintf(file_name, sizeof(file_name), "%s_FILE", name);
    path = getenv(file_name);
    *mistaken = false;
    if (value && *value && path && *path) {
        ec_config_error(errors, "%s and %s_FILE are both set", name, name);
        *mistaken = true;
        return NULL;
    }
    if (value && *value)
        return duplicate(value);
    if (!path || !*path)
        return NULL;
    text = from_file(errors, name, path);
    *mistaken = !text;
    if (text && !*text) {
        free(text);
        return NULL;
    }
    return text;
}

char *ec_config_get(struct ec_config_errors *errors, const char *name, const char *dflt, bool required)
{
    bool mistaken;
    char *text = lookup(errors, name, &mistaken);

    if (text || mistaken)
        return text;
    if (dflt)
        return duplicate(dflt);
    if (required)
        ec_config_error(errors, "%s (or %s_FILE) must be set", name, name);
    return NULL;
}

int64_t ec_config_int(struct ec_config_errors *errors, const char *name, int64_t dflt, int64_t min, int64_t max)
{
    char *text = ec_config_get(errors, name, NULL, false);
    int64_t value = dflt;

    if (text && (!ec_int_parse(ec_str_of(text), &value) || value < min || value > max)) {
        ec_config_error(errors, "%s must be a whole number between %lld and %lld", name, (long long)min, (long long)max);
        value = dflt;
    }
    free(text);
    return value;
}

int ec_app_port(struct ec_config_errors *errors, const char *name, int dflt)
{
    int before = errors->n;
    int64_t port = ec_config_int(errors, name, dflt ? dflt : -1, 0, 65535);

    if (port >= 0)
        return (int)port;
    if (errors->n == before)
        ec_config_error(errors, "%s (or %s_FILE) must be set", name, name);
    return 0;
}

static const char *kind_name(enum ec_kind kind)
{
    switch (kind) {
    case EC_INT:
        return "a whole number";
    case EC_FLOAT:
        return "a number";
    case EC_BOOL:
        return "true or false";
    case EC_UUID:
        return "a uuid";
    case EC_EMAIL:
        return "an email address";
    default:
        return "UTF-8 text";
    }
}

static bool fits(struct ec_setting *setting)
{
    switch (setting->kind) {
    case EC_INT:
        return ec_int_parse(setting->text, &setting->i);
    case EC_FLOAT:
        return ec_float_parse(setting->text, &setting->f);
    case EC_BOOL:
        setting->b = ec_str_eq(setting->text, EC_STR("true"));
        return setting->b || ec_str_eq(setting->text, EC_STR("false"));
    case EC_UUID:
        return ec_uuid_parse(setting->text, &setting->uuid);
    case EC_EMAIL:
        return ec_email_valid(setting->text);
    default:
        return ec_utf8_valid(setting->text);
    }
}

/* The first line is the value, what follows are others. */
static void split(struct ec_config_errors *errors, struct ec_setting *setting)
{
    struct ec_str all = setting->text, line;
    size_t least = setting->at_least ? setting->at_least : 1;
    const char *end = memchr(all.p, '\n', all.n);

    setting->text.n = end ? (size_t)(end - all.p) : all.n;
    setting->others = end ? (struct ec_str){end + 1, all.n - setting->text.n - 1} : (struct ec_str){NULL, 0};
    for (all = setting->others, line = setting->text; line.p; line = ec_line_next(&all))
        if (line.n < least) {
            ec_config_error(errors, "%s must have at least %zu byte%s in each line", setting->env, least, least == 1 ? "" : "s");
            return;
        }
}

struct ec_str ec_line_next(struct ec_str *rest)
{
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    struct ec_str line = {rest->n ? rest->p : NULL, end ? (size_t)(end - rest->p) : rest->n};

    rest->p = end ? end + 1 : NULL;
    rest->n = end ? rest->n - line.n - 1 : 0;
    return line;
}

void ec_config_settings(struct ec_config_errors *errors, struct ec_setting *const *settings)
{
    for (; settings && *settings; settings++) {
        struct ec_setting *setting = *settings;
        char *text = ec_config_get(errors, setting->env, setting->dflt, true);

        if (!text)
            continue;
        setting->text = ec_str_of(text);
        if (setting->rotates)
            split(errors, setting);
        if (!fits(setting))
            ec_config_error(errors, "%s must be %s", setting->env, kind_name(setting->kind));
    }
}
