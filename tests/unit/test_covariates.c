/* Covariates on their way from the spec into encoders and decoders: twelve small rows with the real
 * plugins. */
#include "test.h"

#include "graph/params.h"
#include "spec/help.h"
#include "toy_data.h"
#include "toy_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char spec[] =
    "stele: 1\nseed: 5\ndata: {source: simulate}\nlatent: {dim: 2}\nmodalities:\n"
    "  a: {plugin: nb_counts, encoder: {hidden: [4], covariates: [age]}, "
    "decoder: {hidden: [3], covariates: [batch]}}\n"
    "  b: {plugin: bernoulli_peaks, encoder: {hidden: [4]}, decoder: {hidden: [3]}}\n"
    "fusion: poe\ntrain: {epochs: 1}\n";

static void open_spec(toy *t)
{
    toy_open(t, spec, &toy_source, toy_others, 1, STELE_F64, 1);
    toy_stir(t, 0.3);
}

static stele_tensor *loss_of(toy *t, stele__loss_terms *ret)
{
    stele__objective o = stele__objective_of(t->spec->objective);
    toy_begin(t, 0, NULL, 0, 17);
    return stele__objective_loss(&t->model, t->graph, t->batch, &o, 0.8, 5, 17, ret);
}

/* Elements of a parameter, -1 if there is none of that name. */
static int64_t size_of(toy *t, const char *name)
{
    int64_t at = stele__params_find(t->model.params, name);
    return at >= 0 ? stele__params_entry(t->model.params, (uint32_t)at)->n : -1;
}

/* The divergence knows the encoders alone; the likelihood follows both sides. */
static void covariates_reach_the_side_that_names_them(void **state)
{
    (void)state;
    toy t;
    stele__loss_terms before, batch, age;
    open_spec(&t);
    assert_int_equal(size_of(&t, "a.encoder.covariates"), 4); /* age, 4 hidden units */
    assert_int_equal(size_of(&t, "a.decoder.covariates"), 9); /* 3 batches, 3 hidden units */
    assert_int_equal(size_of(&t, "b.encoder.covariates"), -1);
    assert_int_equal(size_of(&t, "b.decoder.covariates"), -1);
    stele__label *label = t.data->label;
    assert_string_equal(label[0].name, "age");
    assert_string_equal(label[1].name, "batch");
    assert_non_null(loss_of(&t, &before));
    label[1].code[0] = -1;
    label[1].code[1] = 2;
    assert_non_null(loss_of(&t, &batch));
    assert_true(batch.divergence == before.divergence && batch.log_px[0] != before.log_px[0]);
    assert_true(batch.log_px[1] == before.log_px[1]);
    label[0].number[0] = (double)NAN;
    assert_non_null(loss_of(&t, &age));
    assert_true(age.divergence != batch.divergence && age.log_px[0] != batch.log_px[0]);
    toy_close(&t);
}

/* A missing number stands for the mean of the training rows, a missing category for none at all. */
static void missing_covariates_have_the_value_zero(void **state)
{
    (void)state;
    toy t;
    open_spec(&t);
    const stele__covariate *age = &t.model.covariate[0];
    const int64_t row[] = { 5, 6, 0 }; /* r5 has no batch, r6 no age */
    double want[] = { 0, 0, 0, 0, 0, 1, 1, 0, 0 };
    toy_begin(&t, 0, NULL, 0, 1);
    stele_tensor *e =
        stele__covariate_tensor(t.graph, t.batch, &t.model.modality[0].encoder_covariates, 3, row);
    stele_tensor *d =
        stele__covariate_tensor(t.graph, t.batch, &t.model.modality[0].decoder_covariates, 3, row);
    assert_true(e != NULL && d != NULL);
    assert_true(age->sd > 0.0 && ((const double *)e->data)[1] == 0.0);
    assert_float_equal(((const double *)e->data)[2], (toy_age[0] - age->mean) / age->sd, 1e-12);
    assert_memory_equal(d->data, want, sizeof want);
    assert_null(
        stele__covariate_tensor(t.graph, t.batch, &t.model.modality[1].encoder_covariates, 3, row));
    toy_close(&t);
}

static stele__covariate describe(const toy *t, const stele__split *split, const stele__state *state)
{
    stele__covariate c = { 0 };
    assert_int_equal(stele__covariate_describe(t->data, split, state, "age", &c), STELE_OK);
    return c;
}

/* Whatever the rows hold that a training does not see. */
static void training_rows_alone_standardise(void **state)
{
    (void)state;
    toy t;
    stele__split *split = NULL;
    const stele__split_spec parts = { .fraction = { 0.5, 0.25, 0.25 } };
    open_spec(&t);
    assert_int_equal(stele__split_create(t.data, &parts, &split, NULL), STELE_OK);
    assert_true(split->n[STELE__VALID] > 0 && split->n[STELE__TEST] > 0);
    double *age = t.data->label[0].number, n = 0, sum = 0, squares = 0;
    for (int64_t i = 0; i < split->n[STELE__TRAIN]; i++) {
        double v = age[split->row[STELE__TRAIN][i]];
        n += !isnan(v);
        sum += isnan(v) ? 0 : v;
        squares += isnan(v) ? 0 : v * v;
    }
    for (int64_t i = 0; i < split->n[STELE__VALID]; i++) {
        age[split->row[STELE__VALID][i]] = 1000;
    }
    for (int64_t i = 0; i < split->n[STELE__TEST]; i++) {
        age[split->row[STELE__TEST][i]] = -5000;
    }
    stele__covariate c = describe(&t, split, NULL);
    assert_float_equal(c.mean, sum / n, 1e-9);
    assert_float_equal(c.sd, sqrt(squares / n - sum / n * (sum / n)), 1e-9);
    stele__split_destroy(split);
    toy_close(&t);
}

/* A model that is used, or trained further, keeps the statistics it was trained with. */
static void kept_statistics_are_not_computed_again(void **state)
{
    (void)state;
    toy t;
    stele__state *kept = NULL;
    char path[] = "/tmp/stele-state-XXXXXX";
    open_spec(&t);
    close(mkstemp(path));
    assert_int_equal(stele__state_write(path, t.data, t.split, &t.model, NULL), STELE_OK);
    assert_int_equal(stele__state_read(path, &kept, NULL), STELE_OK);
    unlink(path);
    stele__covariate before = describe(&t, t.split, NULL);
    for (int64_t r = 0; r < t.data->n_rows; r++) {
        t.data->label[0].number[r] *= 3;
    }
    stele__covariate anew = describe(&t, t.split, NULL), used = describe(&t, t.split, kept);
    assert_true(anew.mean > 2 * before.mean && anew.sd > 2 * before.sd);
    assert_float_equal(used.mean, before.mean, 1e-12);
    assert_float_equal(used.sd, before.sd, 1e-12);
    stele__state_destroy(kept);
    toy_close(&t);
}

typedef struct options {
    stele_str_list list;
} options;

static const stele_option beside[] = {
    STELE_OPTION_STR_LIST(options, list, "encoder.other", "[]", "A key beside the host's."),
};
static const stele_option taken[] = {
    STELE_OPTION_STR_LIST(options, list, "encoder.covariates", "[]", "The host's own key."),
};
static const stele_option covering[] = {
    STELE_OPTION_STR_LIST(options, list, "encoder", "[]", "A value where the host has a mapping."),
};

/* The host's `encoder.covariates` and the plugin's `encoder.hidden` stand in one mapping. */
static void host_and_plugin_share_a_mapping_but_no_key(void **state)
{
    (void)state;
    static const stele__table good = STELE__TABLE(beside);
    static const stele__table bad[] = { STELE__TABLE(taken), STELE__TABLE(covering) };
    static const char *const name[] = { "encoder.covariates", "encoder" };
    toy t;
    memset(&t, 0, sizeof t);
    stele__diag_init(&t.diag);
    toy_read_spec(&t, spec);
    stele__instance *a = &t.spec->modality[0];
    for (size_t i = 0; i < 2; i++) {
        char want[128];
        snprintf(want, sizeof want, "p: its option `%s` has the name of a key of the host",
                 name[i]);
        assert_int_equal(stele__instance_apply(a, &bad[i], sizeof(options), "p", &t.diag),
                         STELE_E_ABI);
        assert_string_equal(t.diag.message[i].text, want);
    }
    assert_int_equal(stele__instance_apply(a, &good, sizeof(options), "p", &t.diag), STELE_OK);
    toy_close(&t);
}

static const stele_option hidden[] = {
    STELE_OPTION_STR_LIST(options, list, "missing", "[]", "What stands for nothing."),
};
static const stele_option many[] = {
    STELE_OPTION_STR_LIST(options, list, "sources", "[]", "Where it is from."),
};
static const stele_option divided[] = {
    STELE_OPTION_STR_LIST(options, list, "split.train", "[]", "A part."),
};

/* Alone it stands in `data`; named it does not, but is no other plugin for that. */
static void a_source_takes_no_key_of_data(void **state)
{
    (void)state;
    static const stele__table bad[] = { STELE__TABLE(hidden), STELE__TABLE(many),
                                        STELE__TABLE(divided) };
    static const char *const name[] = { "missing", "sources", "split.train" };
    static const stele__table good = STELE__TABLE(beside);
    static const char *const data[] = { "data: {source: simulate}",
                                        "data: {sources: {a: {plugin: simulate}}}" };
    for (size_t k = 0; k < 2; k++) {
        char text[512];
        toy t;
        memset(&t, 0, sizeof t);
        stele__diag_init(&t.diag);
        snprintf(text, sizeof text, "stele: 1\n%s\n%s", data[k], strstr(spec, "latent:"));
        toy_read_spec(&t, text);
        for (size_t i = 0; i < 3; i++) {
            char want[128];
            snprintf(want, sizeof want, "p: its option `%s` has the name of a key of the host",
                     name[i]);
            assert_int_equal(
                stele__instance_apply(&t.spec->source[0], &bad[i], sizeof(options), "p", &t.diag),
                STELE_E_ABI);
            assert_string_equal(t.diag.message[i].text, want);
        }
        assert_int_equal(
            stele__instance_apply(&t.spec->source[0], &good, sizeof(options), "p", &t.diag),
            STELE_OK);
        toy_close(&t);
    }
}

static void a_schema_joins_the_keys_of_host_and_plugin(void **state)
{
    (void)state;
    const stele__schema_plugin p = {
        .kind = STELE_MODALITY, .name = "p", .summary = "P.", .table = STELE__TABLE(beside)
    };
    json_t *schema = NULL;
    assert_int_equal(stele__schema_create(&p, 1, &schema), STELE_OK);
    json_t *at = json_object_get(json_object_get(schema, "definitions"), "modality-p");
    at = json_object_get(json_object_get(at, "properties"), "encoder");
    assert_true(json_is_false(json_object_get(at, "additionalProperties")));
    at = json_object_get(at, "properties");
    assert_int_equal(json_object_size(at), 3);
    assert_non_null(json_object_get(at, "covariates"));
    assert_non_null(json_object_get(at, "from"));
    assert_non_null(json_object_get(at, "other"));
    json_decref(schema);
}

/* Of a plugin that was not found a resolved spec repeats what the spec says, in shared mappings
 * too. */
static void options_of_an_unknown_plugin_are_kept(void **state)
{
    (void)state;
    toy t;
    stele__str text;
    memset(&t, 0, sizeof t);
    stele__diag_init(&t.diag);
    stele__str_init(&text);
    toy_read_spec(&t, spec);
    stele__config_destroy(t.spec->modality[0].config);
    t.spec->modality[0].config = NULL;
    assert_int_equal(stele__spec_resolve(t.spec, &text), STELE_OK);
    assert_non_null(strstr(
        text.data, "    encoder:\n      from: null\n      covariates: [age]\n      hidden: [4]\n"
                   "    decoder:\n      covariates: [batch]\n      hidden: [3]\n"
                   "  b:\n"));
    stele__str_finish(&text);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covariates_reach_the_side_that_names_them),
        cmocka_unit_test(missing_covariates_have_the_value_zero),
        cmocka_unit_test(training_rows_alone_standardise),
        cmocka_unit_test(kept_statistics_are_not_computed_again),
        cmocka_unit_test(host_and_plugin_share_a_mapping_but_no_key),
        cmocka_unit_test(a_source_takes_no_key_of_data),
        cmocka_unit_test(a_schema_joins_the_keys_of_host_and_plugin),
        cmocka_unit_test(options_of_an_unknown_plugin_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
