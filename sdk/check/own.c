/* A likelihood that is not elementwise: log_prob and generate of a modality without decode. */
#include "block.h"

#include "graph/tensor.h"

#include <math.h>
#include <string.h>

void own_log_prob(block_rig *b, double *ret)
{
    rig_result res;
    for (int64_t i = 0; i < b->rows; i++) {
        ret[i] = NAN;
    }
    if (rig_compute(&b->r, b->rows, NULL, 0, &res)) {
        const rig_output *o = &res.out[res.n - 1];
        memcpy(ret, o->value, (size_t)(o->rows < b->rows ? o->rows : b->rows) * sizeof *ret);
        rig_result_finish(&res);
    }
}

void own_set_latent(block_rig *b, uint64_t number)
{
    rig_input *z = &b->r.input[1];
    for (int64_t i = 0; i < b->rows * z->width; i++) {
        z->value[i] = 1.5 * rig_normal(b->r.t, 860 + number, i % z->width);
    }
}

stele_status own_draw(block_rig *b, uint32_t what, uint64_t sample, double *ret)
{
    rig *r = &b->r;
    stele_graph *g = r->graph;
    stele__pass pass = { .seed = r->t->subject->seed, .step = 9000 + sample };
    stele_decode_args a = { .struct_size = sizeof a };
    stele_tensor *x = NULL;
    if (r->vt->modality.generate == NULL) {
        return STELE_E_UNSUPPORTED;
    }
    stele__graph_begin(g, &pass);
    a.z = rig_constant(g, &r->input[1].shape, r->input[1].value);
    a.covariates = r->plan.covariates > 0 ? rig_constant(g, &r->input[3].shape, r->input[3].value) : NULL;
    stele__graph_enter(g, &r->scope);
    stele_status status = r->vt->modality.generate(r->inst, g, &a, what, &x);
    stele__graph_enter(g, NULL);
    stele__guest_restore(r->guest, "generate");
    status = status == STELE_OK ? stele__graph_status(g) : status;
    if (status == STELE_OK && (x == NULL || x->n != b->rows * b->features || x->dtype != r->plan.dtype)) {
        check_fail(r->t, "generate gave %lld elements for %lld rows of %lld", x != NULL ? (long long)x->n : 0LL,
                   (long long)b->rows, (long long)b->features);
        status = STELE_E_SHAPE;
    }
    for (int64_t i = 0; status == STELE_OK && i < b->rows * b->features; i++) {
        ret[i] = x->dtype == STELE_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
    }
    return status;
}
