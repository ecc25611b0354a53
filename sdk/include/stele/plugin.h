/* stele/plugin.h - the whole contract between the host and a plugin: this file and those it includes.
 *
 * A plugin is a shared object with one exported function, stele_plugin_query, that returns static data. Write one with
 *     STELE_LIBRARY(&my_plugin)
 * at the end of the file, where my_plugin is a stele_plugin. Nothing of a plugin runs before the host calls create for
 * an instance that a spec names. A plugin must not call exit, abort, assert on user input, setlocale, signal or chdir,
 * nor write to stdout or stderr: it returns a status and says why through STELE_FAIL.
 */
#ifndef STELE_PLUGIN_H
#define STELE_PLUGIN_H

#include <stele/kinds.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Capabilities: each bit is a promise that stele-check puts to the test, with every option the plugin has. ORDER_FREE
 * and SINGLE_IS_EXPERT hold for parameters at their start: learned factors may tell experts apart and temper them. */
#define STELE_CAP_ROW_INDEPENDENT  (UINT64_C(1) << 0) /* row b of the output depends on row b of the input only */
#define STELE_CAP_BITWISE_REPEAT   (UINT64_C(1) << 1) /* same inputs, same bits, for any thread count */
#define STELE_CAP_F64              (UINT64_C(1) << 2) /* works in double graphs; needed for derivative checks */
#define STELE_CAP_ORDER_FREE       (UINT64_C(1) << 3) /* fusion: order of the modalities is irrelevant */
#define STELE_CAP_EMPTY_IS_PRIOR   (UINT64_C(1) << 4) /* fusion: a row with nothing present yields the prior */
#define STELE_CAP_SINGLE_IS_EXPERT (UINT64_C(1) << 5) /* fusion: a row with one modality yields that expert */
#define STELE_CAP_SHARPENS         (UINT64_C(1) << 6) /* fusion: joint precision >= each expert's precision */
#define STELE_CAP_SAMPLES          (UINT64_C(1) << 7) /* modality: can draw random x given z */
#define STELE_CAP_COLUMNS          (UINT64_C(1) << 8) /* modality: features may differ in kind (stele_feature) */
/* modality: encode takes windows of rows and tells an absent bin from a bin of zeros */
#define STELE_CAP_WINDOW (UINT64_C(1) << 9)
/* modality with a log_prob of its own: over all rows of a width the probabilities sum to at most 1, as where a row may
 * be the beginning of longer ones (but for one that ends in 0), or one of several codes of the same text */
#define STELE_CAP_SUBPROBABILITY (UINT64_C(1) << 10)
#define STELE_CAP_KNOWN          ((UINT64_C(1) << 11) - 1)

typedef struct stele_plugin {
    uint64_t struct_size;
    uint32_t kind, min_host_minor;
    uint64_t caps;                                       /* promises; unknown bits are ignored */
    uint64_t must_understand;                            /* subset of caps that a host has to know, else it refuses */
    const char *id;                                      /* "fusion/poe": kind/name; the file is called name.so */
    const char *version, *summary, *license, *reference; /* license: SPDX identifier; reference: paper or NULL */
    const stele_option *options;
    uint32_t n_options, option_stride; /* stride = sizeof(stele_option) as the plugin saw it */
    uint64_t config_size;
    const void *vtable; /* stele_KIND_vt */
    const char
        *detail; /* modality: name of what draw() gives for STELE_DRAW_DETAIL, of [a-z0-9_]; NULL: it knows none */
} stele_plugin;

/* The first sixteen bytes never change, in any major version. */
typedef struct stele_library {
    uint64_t struct_size;
    uint32_t abi_major, abi_minor;
    const char *abi_tag;
    const stele_plugin *const *plugins; /* pointers, so entries may differ in size */
    uint64_t n_plugins;
} stele_library;

/* The only exported symbol. Returns static data, does nothing else; NULL if it cannot serve that major. [any; static]
 */
typedef const stele_library *stele_plugin_query_fn(uint32_t host_major, uint32_t host_minor);

#ifdef __cplusplus
}
#endif

/* Pointer width, byte order and whether the compiler ran with fast-math: host and plugin must agree. */
#if defined(__FAST_MATH__)
#define STELE_TAG_MATH "fast"
#else
#define STELE_TAG_MATH "ieee"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define STELE_TAG_END "be"
#else
#define STELE_TAG_END "le"
#endif
#if UINTPTR_MAX == UINT64_MAX
#define STELE_ABI_TAG "p64-" STELE_TAG_END "-" STELE_TAG_MATH
#else
#define STELE_ABI_TAG "p32-" STELE_TAG_END "-" STELE_TAG_MATH
#endif

/* A plugin linked into the host instead of loaded has an entry name of its own. */
#ifdef STELE_STATIC_NAME
#define STELE_CAT_(a_, b_) a_##b_
#define STELE_CAT(a_, b_)  STELE_CAT_(a_, b_)
#define STELE_ENTRY        STELE_CAT(STELE_STATIC_NAME, _LTX_stele_plugin_query)
#else
#define STELE_ENTRY stele_plugin_query
#endif

#ifdef __cplusplus
#define STELE_EXTERN_C extern "C"
#else
#define STELE_EXTERN_C
#endif

#define STELE_LIBRARY(...)                                                                                             \
    STELE_EXTERN_C STELE_EXPORT stele_plugin_query_fn STELE_ENTRY;                                                     \
    STELE_EXTERN_C STELE_EXPORT const stele_library *STELE_ENTRY(uint32_t host_major, uint32_t host_minor)             \
    {                                                                                                                  \
        static const stele_plugin *const list[] = { __VA_ARGS__ };                                                     \
        static const stele_library lib = {                                                                             \
            sizeof lib, STELE_ABI_MAJOR, STELE_ABI_MINOR, STELE_ABI_TAG, list, sizeof list / sizeof list[0]            \
        };                                                                                                             \
        (void)host_minor;                                                                                              \
        return host_major == STELE_ABI_MAJOR ? &lib : NULL;                                                            \
    }

#ifndef __cplusplus
STELE_NO_TAIL(stele_param_spec, flags);
STELE_NO_TAIL(stele_feature, reserved);
STELE_NO_TAIL(stele_field, feature);
STELE_NO_TAIL(stele_create_args, reserved_2);
STELE_NO_TAIL(stele_encode_args, present);
STELE_NO_TAIL(stele_decode_args, lengths);
STELE_NO_TAIL(stele_output, eta);
STELE_NO_TAIL(stele_values, column);
STELE_NO_TAIL(stele_block, log_prob);
STELE_NO_TAIL(stele_draw, out);
STELE_NO_TAIL(stele_scored, likely);
STELE_NO_TAIL(stele_metric, flags);
STELE_NO_TAIL(stele_bad_value, gap);
STELE_NO_TAIL(stele_experts, prior);
STELE_NO_TAIL(stele_joint, row_subset);
STELE_NO_TAIL(stele_loss_args, beta);
STELE_NO_TAIL(stele_head_traits, least_rows);
STELE_NO_TAIL(stele_head_scored, n_distinct);
STELE_NO_TAIL(stele_head_output, reserved);
STELE_NO_TAIL(stele_head_shown, ret);
STELE_NO_TAIL(stele_read, lengths);
STELE_NO_TAIL(stele_plugin, detail);
STELE_NO_TAIL(stele_library, n_plugins);
#endif

#endif /* STELE_PLUGIN_H */
