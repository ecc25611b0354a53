#include "cli/opened.h"

#include "base/mem.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int part_of(const char *name)
{
    for (int p = 0; p < STELE__N_PARTS; p++) {
        if (strcmp(name, stele__part_name(p)) == 0) {
            return p;
        }
    }
    return strcmp(name, "all") == 0 ? STELE__N_PARTS : -1;
}

int stele__open_option(stele__open_request *q, int option, const char *value)
{
    switch (option) {
    case 's':
        q->part = part_of(value);
        q->split_given = 1;
        return 1;
    case 'm': q->modalities = value; return 1;
    case 'c': q->checkpoint = value; return 1;
    case 't': q->threads = value; return 1;
    case 'q': q->quiet = 1; return 1;
    case STELE__OPTION_DATA: stele__new_data_add(&q->data, value); return 1;
    default: return 0;
    }
}

int stele__open_check(stele__open_request *q, int argc, char **argv)
{
    const int behind = q->takes_data && q->data.n == 0;
    for (int i = optind + 1; behind && i < argc; i++) {
        stele__new_data_add(&q->data, argv[i]);
    }
    argc = behind && argc > optind + 1 ? optind + 1 : argc;
    if (q->data.n > STELE__MOST_NEW_DATA) {
        return stele__cli_usage_error(argv[0], "at most %d files of other rows",
                                      STELE__MOST_NEW_DATA);
    }
    if (argc - optind != 1) {
        return stele__cli_usage_error(argv[0], argc == optind ? "name a run folder"
                                                              : "one run folder at a time");
    }
    if (q->part < 0) {
        return stele__cli_usage_error(argv[0], "--split is train, valid, test or all");
    }
    if (strcmp(q->checkpoint, "best") != 0 && strcmp(q->checkpoint, "last") != 0) {
        return stele__cli_usage_error(argv[0], "--checkpoint is best or last");
    }
    if (q->data.n > 0 && q->split_given && q->part != STELE__N_PARTS) {
        return stele__cli_usage_error(argv[0],
                                      "the rows of other data are in no part of the split");
    }
    q->part = q->data.n > 0 ? STELE__N_PARTS : q->part;
    q->dir = argv[optind];
    return STELE__EXIT_OK;
}

static stele_status check_folder(const char *dir, const char *spec, stele__diag *diag)
{
    if (access(spec, F_OK) == 0) {
        return STELE_OK;
    }
    if (access(dir, F_OK) != 0) {
        return stele__diag_error(diag, STELE_E_IO, NULL, "%s: there is no such folder", dir);
    }
    stele__diag_error(diag, STELE_E_DATA, NULL, "%s: holds no run", dir);
    stele__diag_hint(diag, "name a folder that stele train has written");
    return STELE_E_DATA;
}

/* The run's spec as it is, for what of it other data take the place of. */
static stele_status load_new_data(stele__opened *o, const stele__open_request *q,
                                  stele__spec_arguments *a, stele__diag *diag)
{
    stele__loaded own = { 0 };
    if (q->data.n == 0) {
        return STELE_OK;
    }
    stele_status status = stele__loaded_create(o->registry, a, &own, diag);
    if (status == STELE_OK) {
        status = stele__new_data_apply(&q->data, &own, a, &o->new_data, diag);
    }
    stele__loaded_finish(&own);
    return status;
}

static stele_status load(stele__opened *o, const stele__open_request *q, const char *spec,
                         char fingerprint[17], stele__diag *diag)
{
    stele__spec_arguments a = { .path = spec };
    stele__str threads, said_threads;
    stele__str_init(&threads);
    stele__str_init(&said_threads);
    stele_status status = stele__resolved_fingerprint(spec, fingerprint, diag);
    if (status == STELE_OK) {
        status = load_new_data(o, q, &a, diag);
    }
    if (q->threads != NULL) {
        stele__str_printf(&threads, "train.threads=%s", q->threads);
        stele__str_printf(&said_threads, "--threads %s", q->threads);
        a.said[a.n_sets] = said_threads.data;
        a.set[a.n_sets++] = threads.data;
    }
    if (q->evaluate != NULL) {
        a.set[a.n_sets++] = q->evaluate;
    }
    if (status == STELE_OK) {
        status = threads.failed ? STELE_E_NOMEM
                                : stele__loaded_create(o->registry, &a, &o->loaded, diag);
    }
    stele__str_finish(&threads);
    stele__str_finish(&said_threads);
    return status;
}

/* Columns of the plan, and those that the spec splits by. */
static stele_status open_run(stele__opened *o, const stele__open_request *q, stele__diag *diag)
{
    const stele__data_spec *d = o->loaded.spec->data;
    size_t n = 0;
    const char **label = stele__calloc(o->plan.n_labels + 2, sizeof *label);
    stele__place *place = stele__calloc(o->plan.n_labels + 2, sizeof *place);
    if (label == NULL || place == NULL) {
        stele__free(label);
        stele__free(place);
        return STELE_E_NOMEM;
    }
    for (; n < o->plan.n_labels; n++) {
        label[n] = o->plan.labels[n];
        place[n] = o->plan.place[n];
    }
    if (q->spec_labels && d->stratify != NULL) {
        label[n++] = d->stratify;
    }
    if (q->spec_labels && d->group != NULL) {
        label[n++] = d->group;
    }
    stele__run_request r = { .spec = o->loaded.spec,
                             .plugins = &o->loaded.cast,
                             .log = &o->log,
                             .state = o->state,
                             .new_data = q->data.n > 0,
                             .of_rows = o->new_data.of_rows,
                             .encode_only = q->encode_only,
                             .label = label,
                             .label_place = place,
                             .n_labels = n };
    stele_status status = stele__run_open(&r, &o->run, diag);
    if (status == STELE_OK) {
        stele__new_data_warn(&o->run, o->new_data.of_rows, diag);
    }
    stele__free(label);
    stele__free(place);
    return status;
}

static stele_status load_model(stele__opened *o, const stele__open_request *q,
                               const char *fingerprint, stele__diag *diag)
{
    char name[32];
    snprintf(name, sizeof name, "%s.safetensors", q->checkpoint);
    char *path = stele__folder_path(q->dir, name);
    stele_status status =
        path != NULL ? stele__checkpoint_read(path, o->run.model.params, 0, fingerprint, NULL, diag)
                     : STELE_E_NOMEM;
    stele__free(path);
    if (status == STELE_OK) {
        status = stele__modalities_prepare(&o->run.model, o->run.data, diag);
    }
    if (status == STELE_OK) {
        status = stele__graph_create(o->run.pool, STELE_F32, &o->graph);
    }
    o->judge = (stele__judge){ .model = &o->run.model,
                               .data = o->run.data,
                               .graph = o->graph,
                               .seed = (uint64_t)o->loaded.spec->top->seed };
    if (status == STELE_OK && q->prior &&
        o->loaded.spec->latent->prior.kind == STELE__PRIOR_MIXTURE) {
        status = stele__prior_open(&o->run, q->dir, q->data.n == 0, o->graph, &o->prior, diag);
        o->judge.prior = &o->prior;
    }
    return status;
}

stele_status stele__opened_init(stele__opened *o, const stele__open_request *q, stele__diag *diag)
{
    char fingerprint[17];
    memset(o, 0, sizeof *o);
    o->dir = q->dir;
    o->log = stele__cli_log(q->quiet);
    char *spec = stele__folder_path(q->dir, "resolved.yaml");
    char *state = stele__folder_path(q->dir, "data.json");
    stele_status status = spec != NULL && state != NULL ? STELE_OK : STELE_E_NOMEM;
    if (status == STELE_OK) {
        status = check_folder(q->dir, spec, diag);
    }
    if (status == STELE_OK) {
        status = stele__cli_registry(&o->registry, diag);
    }
    if (status == STELE_OK) {
        status = load(o, q, spec, fingerprint, diag);
    }
    if (status == STELE_OK) {
        status = stele__plan_init(&o->plan, o->loaded.spec, &q->plan);
    }
    if (status == STELE_OK) {
        status = stele__state_read(state, &o->state, diag);
    }
    if (status == STELE_OK) {
        status = open_run(o, q, diag);
    }
    if (status == STELE_OK) {
        status = load_model(o, q, fingerprint, diag);
    }
    stele__free(spec);
    stele__free(state);
    return status;
}

void stele__opened_finish(stele__opened *o)
{
    stele__mixture_finish(&o->prior);
    stele__graph_destroy(o->graph);
    stele__run_close(&o->run);
    stele__state_destroy(o->state);
    stele__plan_finish(&o->plan);
    stele__loaded_finish(&o->loaded);
    stele__new_data_sets_finish(&o->new_data);
    stele__registry_destroy(o->registry);
    memset(o, 0, sizeof *o);
}

static int64_t modality_named(const stele__model *m, const char *name)
{
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if (strcmp(m->modality[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static stele_status no_modality(const stele__model *m, const char *option, const char *name,
                                stele__diag *diag)
{
    stele__diag_error(diag, STELE_E_ARG, NULL, "%s: the run has no modality `%s`", option, name);
    stele__str have;
    stele__str_init(&have);
    for (uint32_t k = 0; k < m->n_modalities; k++) {
        stele__str_printf(&have, "%s%s", k > 0 ? ", " : "", m->modality[k].name);
    }
    stele__diag_hint(diag, "there are: %s", have.data != NULL ? have.data : "");
    stele__str_finish(&have);
    return STELE_E_ARG;
}

stele_status stele__opened_modalities(const stele__opened *o, const char *option, const char *text,
                                      uint64_t *ret, stele__diag *diag)
{
    const stele__model *m = &o->run.model;
    stele_str_list names = { 0 };
    stele_status status = stele__split_list(text, &names);
    *ret = 0;
    for (uint64_t i = 0; i < names.n && status == STELE_OK; i++) {
        int64_t at = modality_named(m, names.v[i]);
        if (at >= 0 && (*ret >> at & 1) != 0) {
            status = stele__diag_error(diag, STELE_E_ARG, NULL, "%s: names `%s` twice", option,
                                       names.v[i]);
            break;
        }
        if (at >= 0) {
            *ret |= UINT64_C(1) << at;
            continue;
        }
        status = no_modality(m, option, names.v[i], diag);
    }
    stele__split_list_finish(&names);
    return status;
}

stele_status stele__opened_mask(const stele__opened *o, const stele__open_request *q, uint64_t *ret,
                                stele__diag *diag)
{
    *ret = stele__judge_all(&o->judge);
    return q->modalities == NULL
               ? STELE_OK
               : stele__opened_modalities(o, q->from != NULL ? q->from : "--modalities",
                                          q->modalities, ret, diag);
}

stele_status stele__opened_rows(const stele__opened *o, const stele__open_request *q, int64_t **ret,
                                int64_t *ret_n)
{
    const stele__split *s = o->run.split;
    const int part = q->part;
    int64_t n = part == STELE__N_PARTS ? o->run.data->n_rows : s->n[part];
    int64_t *row = stele__calloc((size_t)n, sizeof *row);
    if (row == NULL) {
        return STELE_E_NOMEM;
    }
    for (int64_t r = 0; r < n; r++) {
        row[r] = part == STELE__N_PARTS ? r : s->row[part][r];
    }
    *ret = row;
    *ret_n = n;
    return STELE_OK;
}

stele_status stele__split_list(const char *text, stele_str_list *ret)
{
    size_t n = 1;
    for (const char *c = text; *c != '\0'; c++) {
        n += *c == ',';
    }
    char *copy = stele__strdup(text);
    const char **v = stele__calloc(n, sizeof *v);
    if (copy == NULL || v == NULL) {
        stele__free(copy);
        stele__free(v);
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = copy;
        copy += strcspn(copy, ",");
        *copy++ = '\0';
    }
    *ret = (stele_str_list){ .v = v, .n = n };
    return STELE_OK;
}

void stele__split_list_finish(stele_str_list *list)
{
    if (list->v != NULL) {
        stele__free((void *)(uintptr_t)list->v[0]);
        stele__free((void *)(uintptr_t)list->v);
    }
    *list = (stele_str_list){ 0 };
}
