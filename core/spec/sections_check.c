/* Rules between keys of the host's sections. */
#include "spec/scalar.h"
#include "spec/spec_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A fraction that follows from other keys: it may be left out, or say what it is. */
static void derive(stele__spec *spec, const char *key, double *value, double derived,
                   stele__diag *diag)
{
    const stele__node *data = stele__node_find(stele__spec_doc_root(spec->doc), "data");
    const stele__node *split = data != NULL ? stele__node_find(data, "split") : NULL;
    int given = split != NULL && stele__node_find(split, key) != NULL;
    if (given && fabs(*value - derived) > 1e-6) {
        stele__str text;
        stele__str_init(&text);
        stele__str_printf(&text, "split.%s: is ", key);
        stele__scalar_put_f64(&text, *value);
        stele__str_append(&text, ", but with ");
        stele__str_append(&text, spec->data->column != NULL ? "a column" : "folds");
        stele__str_append(&text, " it is ");
        stele__scalar_put_f64(&text, round(derived * 1e6) / 1e6);
        stele__config_error(spec->section[STELE__SECTION_DATA], STELE_E_OPTION,
                            text.data != NULL ? text.data : "", diag);
        stele__diag_hint(diag, "leave the key out");
        stele__str_finish(&text);
    }
    *value = derived;
}

/* What excludes or wants each other, and the fractions that follow. */
static void check_parts(stele__spec *spec, stele__diag *diag)
{
    stele__config *config = spec->section[STELE__SECTION_DATA];
    stele__data_spec *d = stele__config_block(config);
    if (d->n_folds > 0 && d->column != NULL) {
        stele__config_error(config, STELE_E_OPTION,
                            "split.folds: and split.column exclude each other", diag);
    } else if (d->n_folds == 1) {
        stele__config_error(config, STELE_E_OPTION,
                            "split.folds: one fold leaves nothing to train on", diag);
    } else if (d->n_folds > 0 && d->fold > d->n_folds) {
        stele__config_error(config, STELE_E_OPTION, "split.fold: is above the number of folds",
                            diag);
    } else if (d->n_folds == 0 && d->fold != 1) {
        stele__config_error(config, STELE_E_OPTION, "split.fold: needs split.folds", diag);
    }
    if (d->column != NULL) {
        derive(spec, "train", &d->train, 0.0, diag);
        derive(spec, "test", &d->test, 0.0, diag);
    } else if (d->n_folds > 1) {
        double test = 1.0 / (double)d->n_folds;
        derive(spec, "test", &d->test, test, diag);
        derive(spec, "train", &d->train, 1.0 - test - d->valid, diag);
    }
    if (d->stratify != NULL && (d->group != NULL || d->contiguous)) {
        stele__config_error(config, STELE_E_OPTION,
                            d->group != NULL
                                ? "split.group: and split.stratify exclude each other"
                                : "split.contiguous: and split.stratify exclude each other",
                            diag);
    }
    if (d->gap > 0 && !d->contiguous && d->column == NULL) {
        stele__config_error(config, STELE_E_OPTION, "split.gap: needs split.contiguous", diag);
    }
}

static void check_split(stele__spec *spec, stele__diag *diag)
{
    check_parts(spec, diag);
    const stele__data_spec *d = spec->data;
    double sum = d->train + d->valid + d->test;
    if (d->column != NULL || d->n_folds == 1) {
        return;
    }
    if (fabs(sum - 1.0) > 1e-6) {
        stele__str text;
        stele__str_init(&text);
        stele__str_append(&text, "train, valid and test add up to ");
        stele__scalar_put_f64(&text, round(sum * 1e6) / 1e6);
        stele__str_append(&text, ", not to 1");
        stele__spec_error(spec, "data.split", STELE_E_OPTION, text.data != NULL ? text.data : "",
                          diag);
        stele__diag_hint(diag, "a part that is left out keeps its default: train 0.8, valid 0.1, "
                               "test 0.1");
        stele__str_finish(&text);
    } else if (d->train <= 0.0) {
        stele__config_error(spec->section[STELE__SECTION_DATA], STELE_E_OPTION,
                            "split.train: there must be rows to train on", diag);
    }
}

/* all, then optionally +single and +random:K, in this order. */
static int parse_subsets(const char *text, int32_t *ret_single, int64_t *ret_random)
{
    *ret_single = 0;
    *ret_random = 0;
    if (strncmp(text, "all", 3) != 0) {
        return 0;
    }
    text += 3;
    if (strncmp(text, "+single", 7) == 0) {
        *ret_single = 1;
        text += 7;
    }
    if (strncmp(text, "+random:", 8) == 0) {
        text += 8;
        return stele__scalar_i64(text, ret_random) == STELE__SCALAR_OK && *ret_random >= 1 &&
               *ret_random <= 1000;
    }
    return *text == '\0';
}

static void check_subsets(stele__spec *spec, stele__diag *diag)
{
    stele__config *config = spec->section[STELE__SECTION_OBJECTIVE];
    stele__objective_spec *o = stele__config_block(config);
    if (!parse_subsets(o->subsets, &o->single, &o->n_random)) {
        stele__str text;
        stele__str_init(&text);
        stele__str_printf(&text,
                          "subsets: is `%s`, expected all, all+single, all+random:K or "
                          "all+single+random:K, with K from 1 to 1000",
                          o->subsets);
        stele__config_error(config, STELE_E_OPTION, text.data != NULL ? text.data : "", diag);
        stele__str_finish(&text);
    }
}

/* Legal, but the same bound without its closed form. */
static void check_samples(const stele__spec *spec, stele__diag *diag)
{
    const stele__node *objective = stele__node_find(stele__spec_doc_root(spec->doc), "objective");
    if (spec->objective->bound == STELE__BOUND_IWAE && spec->objective->samples == 1) {
        stele__node_key_warning(stele__node_find(objective, "bound"), diag,
                                "with one sample, iwae is the elbo, its divergence sampled");
        stele__diag_hint(diag, "write samples: 8, or leave the bound at elbo");
    }
}

/* A number stands for a constant. With the full weight from the first step, before an encoder has
 * anything to say, its posterior falls into the prior, and often stays there; a longer warm-up
 * costs few rows more likelihood than it saves, as a rule. */
static void read_beta(stele__spec *spec, stele__diag *diag)
{
    stele__objective_spec *o = stele__config_block(spec->section[STELE__SECTION_OBJECTIVE]);
    stele__node *objective = stele__node_find(stele__spec_doc_root(spec->doc), "objective");
    stele__node *node = stele__node_get(objective, "beta");
    const stele__section *s = stele__section_get(STELE__SECTION_BETA);
    stele__config *config = NULL;
    double value = 0.0;
    o->beta = (stele__beta_spec){ .from = 0.0, .to = 1.0, .steps = 100 };
    if (node == NULL || stele__node_is_null(node)) {
        return;
    }
    if (node->kind != STELE__MAPPING) {
        int is_number = node->kind == STELE__SCALAR && !node->quoted &&
                        stele__scalar_f64(node->text, &value) == STELE__SCALAR_OK;
        if (!is_number || !(value >= 0.0) || value > 1e6) {
            stele__str is;
            stele__str_init(&is);
            stele__node_describe(node, &is);
            stele__node_error(node, STELE_E_OPTION, diag,
                              "is %s, expected a number from 0 to 1000000, or a mapping",
                              is.data != NULL ? is.data : "");
            stele__diag_hint(diag, "a warm-up is written {from: 0, to: 1, epochs: 50}");
            stele__str_finish(&is);
            node->reported = 1;
        }
        o->beta.from = o->beta.to = value;
        return;
    }
    if (stele__config_create(&s->table, s->block_size, node, s->path, &config, diag) != STELE_OK) {
        return;
    }
    o->beta = *(const stele__beta_spec *)stele__config_values(config);
    if (o->beta.epochs != 0 && o->beta.steps != 0) {
        stele__config_error(config, STELE_E_OPTION, "steps: epochs and steps cannot both be given",
                            diag);
    } else if (o->beta.epochs == 0 && o->beta.steps == 0 && o->beta.from != o->beta.to) {
        stele__config_error(config, STELE_E_OPTION, "the warm-up has no length", diag);
        stele__diag_hint(diag, "give epochs or steps");
    }
    stele__config_destroy(config);
}

static void check_train(stele__spec *spec, stele__diag *diag)
{
    const stele__train_spec *t = spec->train;
    const stele__config *config = spec->section[STELE__SECTION_TRAIN];
    if (t->optimiser.betas.n != 2) {
        stele__config_error(config, STELE_E_OPTION, "optimiser.betas: expected two numbers", diag);
    }
    if (t->schedule.warmup_epochs != 0 && t->schedule.warmup_steps != 0) {
        stele__config_error(config, STELE_E_OPTION,
                            "schedule.warmup_steps: warmup_epochs and warmup_steps cannot both be "
                            "given",
                            diag);
    }
    if (t->schedule.min_lr > t->optimiser.lr) {
        stele__config_error(config, STELE_E_OPTION,
                            "schedule.min_lr: is above the learning rate, optimiser.lr", diag);
    }
    int needs_valid =
        t->early_stopping.patience != 0 || t->schedule.kind == STELE__SCHEDULE_PLATEAU;
    if (needs_valid && spec->data != NULL && spec->data->valid == 0.0) {
        stele__config_error(spec->section[STELE__SECTION_DATA], STELE_E_OPTION,
                            "split.valid: early stopping and the plateau schedule need validation "
                            "rows",
                            diag);
    }
}

/* Named twice, a column would enter twice, with two sets of weights that mean the same. */
static void check_columns(const stele__config *host, const char *option,
                          const stele_str_list *names, stele__diag *diag)
{
    for (uint64_t i = 1; i < names->n; i++) {
        uint64_t j = 0;
        while (strcmp(names->v[j], names->v[i]) != 0) {
            j++;
        }
        if (j < i) {
            stele__str text;
            stele__str_init(&text);
            stele__str_printf(&text, "%s: names `%s` twice", option, names->v[i]);
            stele__config_error(host, STELE_E_OPTION, text.data != NULL ? text.data : "", diag);
            stele__str_finish(&text);
        }
    }
}

static void check_window(const stele__config *config, const stele__modality_spec *host,
                         stele__diag *diag)
{
    if (host->window.bins % 2 == 0 && host->window.at == STELE__WINDOW_CENTRE) {
        stele__config_error(config, STELE_E_OPTION,
                            "window.bins: is even, which leaves no row in the middle", diag);
        stele__diag_hint(diag, "take an odd number, or window: {at: past}");
    } else if (host->window.bins == 1 && host->window.group != NULL) {
        stele__config_error(config, STELE_E_OPTION, "window.group: needs window.bins", diag);
    } else if (host->window.bins > 1 && host->encoder.from != NULL) {
        stele__config_error(config, STELE_E_OPTION,
                            "encoder.from: takes the place of windows of rows; write one of both",
                            diag);
    }
}

static void check_private(const stele__config *config, const stele__modality_spec *host,
                          stele__diag *diag)
{
    if (host->own.dim == 0 && host->own.cross != STELE__CROSS_PRIOR) {
        stele__config_error(config, STELE_E_OPTION, "private.cross: needs private.dim", diag);
    }
}

/* The column's part of SOURCE:COLUMN. */
static const char *column_of(const stele__spec *spec, const char *name)
{
    const char *colon = strchr(name, ':');
    for (size_t i = 0; colon != NULL && i < spec->n_sources; i++) {
        const char *source = spec->source[i].name;
        const size_t len = (size_t)(colon - name);
        if (source != NULL && strlen(source) == len && strncmp(source, name, len) == 0) {
            return colon + 1;
        }
    }
    return name;
}

/* As two lists may name it: with the source before a colon, or without. */
static int same_column(const stele__spec *spec, const char *a, const char *b)
{
    const char *x = column_of(spec, a), *y = column_of(spec, b);
    return strcmp(a, b) == 0 || (strcmp(x, y) == 0 && (x == a || y == b));
}

/* What a head is told it need not find in z: an adversary would take nothing out of it, any other
 * head would read its target off. */
static void check_told(const stele__spec *spec, const stele__config *config,
                       const stele__head_spec *host, stele__diag *diag)
{
    for (uint64_t i = 0; i < host->covariates.n; i++) {
        for (uint64_t k = 0; k < host->target.n; k++) {
            if (!same_column(spec, host->covariates.v[i], host->target.v[k])) {
                continue;
            }
            stele__str text;
            stele__str_init(&text);
            stele__str_printf(
                &text,
                "covariates: `%s` is the target: a head that is told it finds nothing "
                "in z",
                host->covariates.v[i]);
            stele__config_error(config, STELE_E_OPTION, text.data != NULL ? text.data : "", diag);
            stele__diag_hint(diag, "name it among the covariates of a modality's decoder, if z is "
                                   "to do without it; those of a head are other columns");
            stele__str_finish(&text);
        }
    }
}

static void check_head(const stele__spec *spec, const stele__config *config, stele__diag *diag)
{
    const stele__head_spec *host = stele__config_values(config);
    const stele__objective_spec *o = spec->objective;
    if (host->posteriors == STELE__POSTERIORS_SUBSETS && o != NULL && !o->single &&
        o->n_random == 0) {
        stele__config_error(config, STELE_E_OPTION,
                            "posteriors: objective.subsets asks for no subsets to learn from",
                            diag);
    }
    if (host->target.n == 0) {
        stele__config_error(config, STELE_E_OPTION, "target: names no column", diag);
    }
    if (host->warmup_epochs != 0 && host->warmup_steps != 0) {
        stele__config_error(config, STELE_E_OPTION,
                            "warmup_steps: warmup_epochs and warmup_steps cannot both be given",
                            diag);
    }
    check_columns(config, "target", &host->target, diag);
    check_columns(config, "classes", &host->classes, diag);
    if (host->target.n > 1 && host->target_type == STELE__TARGET_CATEGORY) {
        stele__config_error(config, STELE_E_OPTION,
                            "target_type: several columns of a target are numbers", diag);
    }
    if (host->classes.n > 0 && (host->target.n > 1 || host->target_type == STELE__TARGET_NUMBER)) {
        stele__config_error(config, STELE_E_OPTION, "classes: the target is a number", diag);
    }
    check_columns(config, "covariates", &host->covariates, diag);
    check_told(spec, config, host, diag);
}

/* Results are named by them. Without a top level nobody has made up a folder. */
static void check_names(const stele__spec *spec, stele__diag *diag)
{
    if (spec->top != NULL && spec->top->name[0] == '\0') {
        stele__config_error(spec->section[STELE__SECTION_TOP], STELE_E_OPTION,
                            "name: is empty, expected a name", diag);
    } else if (spec->top != NULL && strchr(spec->top->name, '/') != NULL) {
        stele__config_error(spec->section[STELE__SECTION_TOP], STELE_E_OPTION,
                            "name: holds a slash; output.dir and --run say where a run goes", diag);
    }
    if (spec->output != NULL && spec->output->dir != NULL && spec->output->dir[0] == '\0') {
        stele__config_error(spec->section[STELE__SECTION_OUTPUT], STELE_E_OPTION,
                            "dir: is empty, expected a folder", diag);
    }
}

/* Legal, as a head may be all that is wanted, but rarely meant. */
static void check_weights(stele__spec *spec, stele__diag *diag)
{
    for (size_t i = 0; i < spec->n_modalities; i++) {
        const stele__modality_spec *host = stele__modality_host(&spec->modality[i]);
        if (host == NULL || host->weight > 0.0) {
            return;
        }
    }
    if (spec->n_modalities > 0) {
        stele__node_key_warning(stele__node_find(stele__spec_doc_root(spec->doc), "modalities"),
                                diag,
                                "the weights of all modalities are 0: nothing is learned "
                                "from their likelihoods");
        stele__diag_hint(diag, "write weight: 1, or leave it out, where a modality is to count");
    }
}

void stele__sections_check(stele__spec *spec, stele__diag *diag)
{
    check_names(spec, diag);
    if (spec->data != NULL) {
        check_split(spec, diag);
    }
    if (spec->objective != NULL) {
        check_subsets(spec, diag);
        check_samples(spec, diag);
        read_beta(spec, diag);
    } else {
        /* Its keys cannot be told apart now; do not call them unknown. */
        stele__node *node = stele__node_find(stele__spec_doc_root(spec->doc), "objective");
        if (node != NULL && node->kind == STELE__MAPPING) {
            (void)stele__node_get(node, "beta");
            stele__node *beta = stele__node_find(node, "beta");
            if (beta != NULL) {
                stele__node_use_all(beta);
            }
        }
    }
    if (spec->train != NULL) {
        check_train(spec, diag);
    }
    check_weights(spec, diag);
    for (size_t i = 0; i < spec->n_modalities; i++) {
        const stele__modality_spec *host = stele__modality_host(&spec->modality[i]);
        if (host != NULL) {
            const stele__config *config = spec->modality[i].host;
            check_window(config, host, diag);
            check_private(config, host, diag);
            check_columns(config, "encoder.covariates", &host->encoder.covariates, diag);
            check_columns(config, "decoder.covariates", &host->decoder.covariates, diag);
        }
    }
    for (size_t i = 0; i < spec->n_heads; i++) {
        const stele__head_spec *host = stele__head_host(&spec->head[i]);
        if (host != NULL) {
            check_head(spec, spec->head[i].host, diag);
        }
    }
}
