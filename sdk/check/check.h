/* sdk/check: stele-check, the conformance checker of plugins.
 *
 * check.h - what a check is, what it is given and how it says what it found. Every check runs in a process of its own,
 * so that a plugin which crashes, hangs or writes where it must not costs a verdict and nothing else. A check that runs
 * to its end without a word has passed. The program stands above the core library, which knows nothing of it.
 */
#ifndef STELE_CHECK_CHECK_H
#define STELE_CHECK_CHECK_H

#include "plugin/loader.h"

#include <stele/plugin.h>

/* From best to worst: of several verdicts of one check the last one in this order counts. HOLLOW: the check ran, but
 * the data proved nothing. */
typedef enum check_verdict {
    CHECK_PASS,
    CHECK_SKIP,
    CHECK_WARN,
    CHECK_HOLLOW,
    CHECK_FAIL,
    CHECK_CRASH,
    CHECK_TIMEOUT
} check_verdict;

/* "pass", "skip", ... */
const char *check_verdict_name(check_verdict v);

/* Of one check, unless the command line says otherwise. */
#define CHECK_SECONDS 10.0

/* What is to be checked. Strings are borrowed from the command line. */
typedef struct check_subject {
    const char *name; /* as given: a file, or kind/name of a plugin that is linked in */
    const char *file; /* real path; NULL: linked in */
    const char *const *option;
    size_t n_options; /* "key=value" */
    const char *const *unseen;
    size_t n_unseen; /* options of which options-effect can see nothing */
    uint64_t seed;
    double timeout; /* seconds, of one check */
    int in_process;
    int strict;       /* skipped is failed */
    int allow_unsafe; /* load a file that others can change too */
} check_subject;

typedef struct check_case check_case;

/* One run of a check. `plugin` is NULL for checks of a file. */
typedef struct check_trial {
    const check_subject *subject;
    const check_case *check;
    const stele__plugin *plugin;
    uint32_t experts; /* fusion: modalities of an instance; 0: the usual number */
    check_verdict verdict;
    size_t n_text;
    char text[6000]; /* what was said, a line each */
    double seconds;
} check_trial;

enum { CHECK_OF_FILE = 1, CHECK_MOST_SETTINGS = 128 };

struct check_case {
    const char *id; /* kebab-case */
    const char *sentence;
    uint32_t kinds; /* bits 1 << STELE_FUSION and so on; CHECK_OF_FILE: of the file, before any plugin is judged */
    uint64_t caps;  /* applies to plugins that promise all of these */
    void (*run)(check_trial *t);
};

#define CHECK_KIND(kind_) (UINT32_C(1) << (kind_))
#define CHECK_MODALITY    CHECK_KIND(STELE_MODALITY)
#define CHECK_FUSION      CHECK_KIND(STELE_FUSION)
#define CHECK_HEAD        CHECK_KIND(STELE_HEAD)
#define CHECK_SOURCE      CHECK_KIND(STELE_SOURCE)
/* For rules of fusion: again with other numbers of modalities, those that the rule takes. */
#define CHECK_ANY_NUMBER (UINT32_C(1) << 31)
#define CHECK_JOINT      (CHECK_FUSION | CHECK_ANY_NUMBER)
#define CHECK_COMPUTING  (CHECK_MODALITY | CHECK_FUSION | CHECK_HEAD)
#define CHECK_ALL        (CHECK_COMPUTING | CHECK_SOURCE)

/* What is no promise of a plugin but follows from its slots, beside the caps of the contract. */
#define CHECK_HAS_BLOCKS    (UINT64_C(1) << 63) /* modality: an elementwise likelihood */
#define CHECK_HAS_LOG_PROB  (UINT64_C(1) << 62) /* modality: one of its own instead; head: that of its target */
#define CHECK_HAS_VALIDATE  (UINT64_C(1) << 58) /* modality, head: says which values it cannot hold */
#define CHECK_HAS_FIT       (UINT64_C(1) << 59) /* modality, head: starts from statistics of the rows */
#define CHECK_HAS_OUTPUTS   (UINT64_C(1) << 60) /* head: predictions in terms of its target */
#define CHECK_HAS_PREPARE   (UINT64_C(1) << 57) /* modality: makes another form of its rows */
#define CHECK_HAS_TALLY     (UINT64_C(1) << 56) /* modality: metrics of whole rows */
#define CHECK_HAS_SEES      (UINT64_C(1) << 60) /* modality: may see another measurement than its own */
#define CHECK_HAS_CALIBRATE (UINT64_C(1) << 57) /* head: corrects how sure it is */
#define CHECK_HAS_LOSS      (UINT64_C(1) << 58) /* fusion: a loss of its own in place of the bound */
#define CHECK_HAS_ABSENT    (UINT64_C(1) << 61) /* modality: rules of its own on what is absent */

extern const check_case check_table[]; /* ends with an id of NULL */

/* Say something; the worst verdict counts, and of many lines the first few. FAIL and worse keep the check going: the
 * caller returns when there is no point in going on. */
void check_say(check_trial *t, check_verdict v, const char *fmt, ...) STELE_PRINTF(3, 4);
#define check_fail(t_, ...) check_say((t_), CHECK_FAIL, __VA_ARGS__)
#define check_skip(t_, ...) check_say((t_), CHECK_SKIP, __VA_ARGS__)

/* Seconds by a clock that only goes forward. */
double check_now(void);

/* Without double nothing can be said of derivatives, which is not to pass in silence: HOLLOW, and 0. */
int check_promises_double(check_trial *t);

/* Run one check for plugin number `index` of the subject, in a process of its own unless the subject says otherwise. */
void check_run(const check_subject *s, size_t index, const check_case *check, check_trial *ret);
/* In a child: what the plugin prints is dropped, and there is nothing to read. */
void check_hush(void);
/* In a child that has met a fatal signal: hand over what was said and end. Async-signal-safe. */
void check_bail(const char *text);
extern check_trial *check_running; /* the trial of this process */

/* --- the plugins of a subject --------------------------------------------------------------------------------- */

typedef struct check_found {
    uint32_t kind;
    uint64_t caps;
    char id[128], version[32];
    char wants[128]; /* an option that has no default and was not given; "": none */
} check_found;

enum { CHECK_MOST_FOUND = 64 };

/* Are the settings KEY=VALUE, and VALUE YAML? Else the reason is in `why`. What they mean is the plugin's table's
 * business. */
int check_settings(const check_subject *s, char *why, size_t size);
/* May the subject's file be loaded, as the host sees it (plugin/trust.h)? Else the reason is in `why`, which holds a
 * warning otherwise, or "". Opens nothing. */
int check_trust(const check_subject *s, char *why, size_t size);
/* Open a subject in this process. 0: refused, with the reason in `why`. */
int check_open(const check_subject *s, stele__library **ret, char *why, size_t size);
/* List its plugins from a child process; -1 if it was refused or crashed, with the reason in `why`. Which of the
 * subject's `unseen` are options of any of them goes to ret_known. */
int check_scan(const check_subject *s, check_found ret[CHECK_MOST_FOUND], uint8_t ret_known[CHECK_MOST_SETTINGS],
               char *why, size_t size);

/* Print the reference page of each plugin of the subject in Markdown, from a child process. 0: failed, which was said.
 */
int check_page(const check_subject *s);

/* --- report ----------------------------------------------------------------------------------------------------- */

typedef struct check_report check_report;
/* `json`: a path, "-" for standard output (then nothing else goes there), NULL for none. */
check_report *check_report_create(const check_subject *s, const char *json);
void check_report_plugin(check_report *r, const char *id, const char *version);
void check_report_add(check_report *r, const char *id, const check_trial *t);
/* The last line and the JSON file. Exit status of the program. */
int check_report_end(check_report *r);

/* --- checks, by file ------------------------------------------------------------------------------------------- */

#define CHECK_DECLARE(name_) void name_(check_trial *t)
CHECK_DECLARE(check_abi_exports);
CHECK_DECLARE(check_abi_imports);
CHECK_DECLARE(check_abi_query_pure);
CHECK_DECLARE(check_abi_sizes);
CHECK_DECLARE(check_fp_load);
CHECK_DECLARE(check_scan_budget);
CHECK_DECLARE(check_abi_old_host);
CHECK_DECLARE(check_abi_new_host);
CHECK_DECLARE(check_fp_environment);
CHECK_DECLARE(check_silence);
CHECK_DECLARE(check_options_defaults);
CHECK_DECLARE(check_options_fuzz);
CHECK_DECLARE(check_options_effect);
CHECK_DECLARE(check_life_destroy);
CHECK_DECLARE(check_life_nth_failure);
CHECK_DECLARE(check_life_frozen);
CHECK_DECLARE(check_life_loaded);
CHECK_DECLARE(check_leak);
CHECK_DECLARE(check_grad_fd);
CHECK_DECLARE(check_grad_flow);
CHECK_DECLARE(check_custom_operations);
CHECK_DECLARE(check_fit_finite);
CHECK_DECLARE(check_shape_sweep);
CHECK_DECLARE(check_repeat_bitwise);
CHECK_DECLARE(check_evaluation);
CHECK_DECLARE(check_threads_bitwise);
CHECK_DECLARE(check_rows_independent);
CHECK_DECLARE(check_nan_row);
CHECK_DECLARE(check_mask_poison);
CHECK_DECLARE(check_mask_gradient_zero);
CHECK_DECLARE(check_mask_empty);
CHECK_DECLARE(check_mask_single);
CHECK_DECLARE(check_fusion_order);
CHECK_DECLARE(check_fusion_weights);
CHECK_DECLARE(check_fusion_subsets);
CHECK_DECLARE(check_fusion_sharpens);
CHECK_DECLARE(check_fusion_width);
CHECK_DECLARE(check_fusion_monte_carlo);
CHECK_DECLARE(check_fusion_loss);
CHECK_DECLARE(check_modality_logprob);
CHECK_DECLARE(check_modality_prediction);
CHECK_DECLARE(check_modality_sparse);
CHECK_DECLARE(check_modality_absent);
CHECK_DECLARE(check_validate);
CHECK_DECLARE(check_window);
CHECK_DECLARE(check_seen);
CHECK_DECLARE(check_prepare);
CHECK_DECLARE(check_head_target);
CHECK_DECLARE(check_head_extreme);
CHECK_DECLARE(check_head_score);
CHECK_DECLARE(check_head_outputs);
CHECK_DECLARE(check_head_calibrate);
CHECK_DECLARE(check_head_log_prob);
CHECK_DECLARE(check_head_validate);
CHECK_DECLARE(check_source_fields);
CHECK_DECLARE(check_source_read);
CHECK_DECLARE(check_source_concurrent);
CHECK_DECLARE(check_source_repeat);
CHECK_DECLARE(check_likelihood_normalised);
CHECK_DECLARE(check_likelihood_gradient);
CHECK_DECLARE(check_likelihood_dtype);
CHECK_DECLARE(check_likelihood_sparse);
CHECK_DECLARE(check_likelihood_missing);
CHECK_DECLARE(check_likelihood_extreme);
CHECK_DECLARE(check_likelihood_blocks);
CHECK_DECLARE(check_likelihood_adds);
CHECK_DECLARE(check_likelihood_weight);
CHECK_DECLARE(check_log_prob_rows);
CHECK_DECLARE(check_log_prob_missing);
CHECK_DECLARE(check_log_prob_draws);
CHECK_DECLARE(check_draw_agrees);
CHECK_DECLARE(check_draw_blocks);
CHECK_DECLARE(check_score);
CHECK_DECLARE(check_tally);

#endif
