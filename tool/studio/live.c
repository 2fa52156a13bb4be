/* What runs: read from where `up` leaves it. */
#include "studio.h"
#include "traces.h"

void studio_live_add(struct studio *studio, const struct ecc_otlp_span *span)
{
    if (!studio->live)
        studio->live = ecc_live_new(NULL);
    ecc_live_add(studio->live, span, uv_now(&studio->loop));
}

void studio_live(struct studio_request *r)
{
    struct ecc_writer w;

    ecc_writer_init(&w, &r->arena);
    ecc_wl(&w, "{\"up\": false}");
    studio_json(r, 200, &w);
}
