/* Problems (RFC 9457). The type is a path, so that no host is invented: "/problems/<name>". */
#include <string.h>

#include "http.h"
#include "json.h"
#include "random.h"

static struct ec_str whole(const char *text)
{
    return (struct ec_str){text, strlen(text)};
}

void ec_problem_write(struct ec_buf *buf, const struct ec_error *error, const char *detail, const uint8_t *trace_id)
{
    char hex[33];

    ec_buf_str(buf, "{\"type\":\"/problems/");
    ec_buf_str(buf, error->name);
    ec_buf_str(buf, "\",\"title\":");
    ec_json_write_text(buf, whole(error->title));
    ec_buf_int(buf, ",\"status\":", error->status, ",\"detail\":");
    ec_json_write_text(buf, whole(detail ? detail : error->title)); /* always there: clients show it */
    if (trace_id) {
        ec_hex(trace_id, 16, hex);
        ec_buf_str(buf, ",\"trace_id\":\"");
        ec_buf_add(buf, hex, 32);
        ec_buf_str(buf, "\"");
    }
    ec_buf_str(buf, "}");
}

void ec_http_problem(struct ec_http_exchange *exchange, const struct ec_error *error, const char *detail, const uint8_t *trace_id,
                     struct ec_str headers)
{
    static struct ec_buf buf; /* of the loop's thread; the reply copies it */

    buf.n = 0;
    ec_problem_write(&buf, error, detail, trace_id);
    ec_http_reply(exchange, error->status, EC_STR("application/problem+json"), headers, (struct ec_str){buf.p, buf.n});
}
