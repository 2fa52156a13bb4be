/* Problems (RFC 9457). The type is a path, so that no host is invented: "/problems/<name>". */
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "json.h"

static struct ec_str whole(const char *text)
{
    return (struct ec_str){text, strlen(text)};
}

void ec_problem_write(struct ec_buf *buf, const struct ec_error *error, const char *detail, const uint8_t *trace_id)
{
    char hex[33];
    int i;

    ec_buf_printf(buf, "{\"type\":\"/problems/%s\",\"title\":", error->name);
    ec_json_write_text(buf, whole(error->title));
    ec_buf_printf(buf, ",\"status\":%d", error->status);
    ec_buf_str(buf, ",\"detail\":");
    ec_json_write_text(buf, whole(detail ? detail : error->title)); /* always there: clients show it */
    if (trace_id) {
        for (i = 0; i < 16; i++)
            snprintf(hex + 2 * i, 3, "%02x", trace_id[i]);
        ec_buf_printf(buf, ",\"trace_id\":\"%s\"", hex);
    }
    ec_buf_str(buf, "}");
}

void ec_http_problem(struct ec_http_exchange *exchange, const struct ec_error *error, const char *detail, const uint8_t *trace_id,
                     struct ec_str headers)
{
    struct ec_buf buf = {NULL, 0, 0};

    ec_problem_write(&buf, error, detail, trace_id);
    ec_http_reply(exchange, error->status, EC_STR("application/problem+json"), headers, (struct ec_str){buf.p, buf.n});
    ec_buf_free(&buf);
}
