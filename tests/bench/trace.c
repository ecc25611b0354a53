#include "trace.h"

#include <stdatomic.h>
#include <string.h>

enum { MOST = 2 };

/* The fused pass of a modality starts when its decode() has returned and is over when the next
 * decode() is called, or the forward pass ends. */
static struct {
    stele_modality_vt table[MOST];
    const stele_modality_vt *original[MOST];
    const stele_inst *inst[MOST];
    double encode_began, encode_ended, decode_began[MOST], decode_ended[MOST];
    _Atomic uint64_t likelihood_ns, calls;
} trace;

static int index_of(const stele_inst *inst)
{
    return inst == trace.inst[0] ? 0 : 1;
}

static stele_status encode(const stele_inst *self, stele_graph *g, const stele_encode_args *a,
                           stele_dist *ret)
{
    if (trace.encode_began == 0.0) {
        trace.encode_began = stele__now();
    }
    stele_status status = trace.original[index_of(self)]->encode(self, g, a, ret);
    trace.encode_ended = stele__now();
    atomic_fetch_add(&trace.calls, 1);
    return status;
}

static stele_status decode(const stele_inst *self, stele_graph *g, const stele_decode_args *a,
                           stele_output *ret)
{
    int i = index_of(self);
    trace.decode_began[i] = stele__now();
    stele_status status = trace.original[i]->decode(self, g, a, ret);
    trace.decode_ended[i] = stele__now();
    atomic_fetch_add(&trace.calls, 1);
    return status;
}

static stele_status likelihood(const stele_inst *self, const stele_block *b)
{
    double start = stele__now();
    stele_status status = trace.original[index_of(self)]->likelihood(self, b);
    atomic_fetch_add(&trace.likelihood_ns, (uint64_t)(1e9 * (stele__now() - start)));
    atomic_fetch_add(&trace.calls, 1);
    return status;
}

void bench_trace_attach(bench_training *t)
{
    for (uint32_t i = 0; i < MOST && i < t->run.model.n_modalities; i++) {
        stele__modality *m = &t->run.model.modality[i];
        trace.original[i] = m->vt;
        trace.inst[i] = stele__guest_inst(m->part.guest);
        trace.table[i] = *m->vt;
        trace.table[i].encode = encode;
        trace.table[i].decode = decode;
        trace.table[i].likelihood = likelihood;
        m->vt = &trace.table[i];
    }
}

void bench_trace_clear(void)
{
    trace.encode_began = trace.encode_ended = 0.0;
    atomic_store(&trace.likelihood_ns, 0);
    atomic_store(&trace.calls, 0);
}

bench_trace bench_trace_get(const bench_training *t)
{
    bench_trace r = { .encode = trace.encode_ended - trace.encode_began };
    r.fused = trace.decode_began[1] - trace.decode_ended[0];
    r.fused += t->loop.ended[STELE__PHASE_FORWARD] - trace.decode_ended[1];
    r.calls = atomic_load(&trace.calls);
    r.likelihood =
        1e-9 * (double)atomic_load(&trace.likelihood_ns) / stele__pool_threads(t->run.pool);
    return r;
}
