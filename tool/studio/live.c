/* What runs: read from where `up` leaves it. */
#include "studio.h"

void studio_live(struct studio_request *r)
{
    struct ecc_writer w;

    ecc_writer_init(&w, &r->arena);
    ecc_wl(&w, "{\"up\": false}");
    studio_json(r, 200, &w);
}
