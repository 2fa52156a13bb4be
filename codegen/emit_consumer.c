/* consumers/<group>_<event>.c: one consumer a file. */
#include "emit_program.h"

void ecc_emit_consumers(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    const struct ecc_service *service = &shapes->node->u.service;

    if (shapes->node->kind != ECC_NODE_SERVICE)
        return;
    for (size_t i = 0; i < service->nconsumers; i++) {
        const struct ecc_consumer *consumer = service->consumers[i];
        struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);

        ecc_wl(w, "#include \"../%s\"", shapes->header);
        ecc_emit_program(shapes, w, ecc_plan_consumer(cg->scratch, consumer));
        ecc_codegen_add(cg, shapes, ecc_shapes_program(shapes, &consumer->program)->file, w);
    }
}
