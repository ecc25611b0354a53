// A fusion plugin in C++: the product of Gaussian experts and the prior. For the test that the contract can be kept from
// C++, by the same compilers and the same checker.
#include <stele/plugin.h>

#include <new>
#include <vector>

struct stele_inst {
    const stele_host *host;
    uint32_t n_modalities;
};

namespace {

struct config {
    double sharpness;
};

// The macros for rows of the table need C's designated initialisers.
stele_option number(const char *name, const char *help, uint64_t offset, double def, double min, double max)
{
    stele_option o = {};
    o.name = name;
    o.help = help;
    o.type = STELE_OPT_F64;
    o.offset = offset;
    o.def.f = def;
    o.min.f = min;
    o.max.f = max;
    return o;
}

const stele_option options[] = {
    number("sharpness", "Factor on the precision of every expert.", offsetof(config, sharpness), 1.0, 0.1, 10.0),
};

struct instance : stele_inst {
    const config *settings;
    std::vector<uint64_t> bit; // of each modality: state of C++'s own kind
};

stele_status create(const stele_create_args *a, stele_inst **ret)
{
    instance *self = new (std::nothrow) instance();
    if (self == nullptr) {
        return STELE_E_NOMEM;
    }
    // Nothing may be thrown across the border.
    try {
        for (uint32_t m = 0; m < a->n_modalities; m++) {
            self->bit.push_back(UINT64_C(1) << m);
        }
    } catch (const std::bad_alloc &) {
        delete self;
        return STELE_E_NOMEM;
    }
    self->host = a->host;
    self->n_modalities = a->n_modalities;
    self->settings = static_cast<const config *>(a->config);
    *ret = self;
    return STELE_OK;
}

void destroy(stele_inst *self)
{
    delete static_cast<instance *>(self);
}

uint32_t max_components(const stele_inst *, uint32_t)
{
    return 1;
}

stele_status fuse(const stele_inst *inst, stele_graph *g, const stele_experts *in, stele_joint *ret)
{
    const instance *self = static_cast<const instance *>(inst);
    const stele_ops *ops = self->host->ops;
    const stele_shape scalar = {};
    stele_tensor *zero = ops->full(g, &scalar, 0.0);
    stele_tensor *precision = ops->exp(g, ops->scale(g, in->prior->p[1], -1.0));
    stele_tensor *weighted = ops->mul(g, precision, in->prior->p[0]);
    uint64_t subset = 0;
    for (uint32_t m = 0; m < in->n; m++) {
        if (in->q[m].family != STELE_NORMAL) {
            return STELE_FAIL(self->host, STELE_E_UNSUPPORTED, "a product needs Gaussian experts");
        }
        stele_tensor *present = ops->slice(g, in->present, -1, m, m + 1);
        stele_tensor *mean = ops->where(g, present, in->q[m].p[0], zero);
        stele_tensor *logvar = ops->where(g, present, in->q[m].p[1], zero);
        stele_tensor *own = ops->scale(g, ops->exp(g, ops->scale(g, logvar, -1.0)), self->settings->sharpness);
        own = ops->where(g, present, own, zero);
        precision = ops->add(g, precision, own);
        weighted = ops->add(g, weighted, ops->mul(g, own, mean));
        subset |= m < self->bit.size() ? self->bit[m] : 0;
    }
    ret->n = 1;
    ret->component[0].family = STELE_NORMAL;
    ret->component[0].n = 2;
    ret->component[0].p[0] = ops->div(g, weighted, precision);
    ret->component[0].p[1] = ops->scale(g, ops->log(g, precision), -1.0);
    ret->subset[0] = subset;
    ret->log_weight = nullptr;
    return ops->status(g);
}

// Without designated initialisers, which C++ has since 2020 only. Constant all the same.
constexpr stele_fusion_vt make_table()
{
    stele_fusion_vt vt = {};
    vt.struct_size = sizeof vt;
    vt.create = create;
    vt.destroy = destroy;
    vt.max_components = max_components;
    vt.fuse = fuse;
    return vt;
}

constexpr stele_fusion_vt table = make_table();

constexpr stele_plugin make_plugin()
{
    stele_plugin p = {};
    p.struct_size = sizeof p;
    p.kind = STELE_FUSION;
    p.min_host_minor = STELE_ABI_MINOR;
    p.caps = STELE_CAP_ROW_INDEPENDENT | STELE_CAP_BITWISE_REPEAT | STELE_CAP_F64 | STELE_CAP_ORDER_FREE |
             STELE_CAP_EMPTY_IS_PRIOR;
    p.id = "fusion/product";
    p.version = "0.1.0";
    p.summary = "Product of Gaussian experts, in C++.";
    p.license = "BSD-3-Clause";
    p.options = options;
    p.n_options = sizeof options / sizeof options[0];
    p.option_stride = sizeof options[0];
    p.config_size = sizeof(config);
    p.vtable = &table;
    return p;
}

constexpr stele_plugin plugin = make_plugin();

} // namespace

STELE_LIBRARY(&plugin)
