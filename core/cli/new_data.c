#include "cli/new_data.h"

#include "base/mem.h"

#include <string.h>

void stele__new_data_add(stele__new_data *d, const char *text)
{
    if (d->n < STELE__MOST_NEW_DATA) {
        d->text[d->n] = text;
    }
    d->n++;
}

/* Has the source an option for the file that it reads? */
static int reads_path(const stele__plugin *source)
{
    stele__table table = { source->desc.options, source->desc.n_options,
                           source->desc.option_stride };
    for (uint32_t i = 0; i < table.n; i++) {
        if (strcmp(stele__table_row(&table, i).name, "path") == 0) {
            return 1;
        }
    }
    return 0;
}

/* An assignment whose value is quoted YAML. */
static stele_status put(const char *key, size_t len, const char *path, const char *text,
                        stele__new_data_sets *ret)
{
    stele__str *set = &ret->set[ret->n], *said = &ret->said[ret->n];
    stele__str_init(set);
    stele__str_init(said);
    ret->n++;
    stele__str_printf(set, "data.%s%.*s%spath='", len > 0 ? "sources." : "", (int)len, key,
                      len > 0 ? "." : "");
    for (const char *c = path; *c != '\0'; c++) {
        stele__str_append_n(set, *c == '\'' ? "''" : c, *c == '\'' ? 2 : 1);
    }
    stele__str_append(set, "'");
    stele__str_printf(said, "--data %s", text);
    return set->failed || said->failed ? STELE_E_NOMEM : STELE_OK;
}

static stele_status no_source(const stele__spec *spec, const char *text, size_t len,
                              stele__diag *diag)
{
    stele__str have;
    stele__str_init(&have);
    for (size_t i = 0; i < spec->n_sources; i++) {
        stele__str_printf(&have, "%s%s", i > 0 ? ", " : "", spec->source[i].name);
    }
    stele__diag_error(diag, STELE_E_ARG, NULL, "--data %s: the run has no source `%.*s`", text,
                      (int)len, text);
    stele__diag_hint(diag, "there are: %s", have.data != NULL ? have.data : "");
    stele__str_finish(&have);
    return STELE_E_ARG;
}

/* NAME=PATH */
static stele_status put_source(const char *text, const stele__loaded *own,
                               stele__new_data_sets *ret, stele__diag *diag)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "the run has several sources: write --data NAME=PATH");
    }
    const size_t len = (size_t)(equals - text);
    size_t i = 0;
    while (i < own->spec->n_sources && (strlen(own->spec->source[i].name) != len ||
                                        strncmp(own->spec->source[i].name, text, len) != 0)) {
        i++;
    }
    if (i == own->spec->n_sources) {
        return no_source(own->spec, text, len, diag);
    }
    if (ret->of_rows[i] || !reads_path(own->cast.source[i])) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 ret->of_rows[i] ? "--data names the source `%.*s` twice"
                                                 : "--data: the source `%.*s` reads no file",
                                 (int)len, text);
    }
    ret->of_rows[i] = 1;
    return put(text, len, equals + 1, text, ret);
}

stele_status stele__new_data_apply(const stele__new_data *d, const stele__loaded *own,
                                   stele__spec_arguments *a, stele__new_data_sets *ret,
                                   stele__diag *diag)
{
    const int several = own->spec->data->source == NULL;
    stele_status status = STELE_OK;
    memset(ret, 0, sizeof *ret);
    if (!several && d->n > 1) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "the run has one source: name one file of other rows");
    }
    if (!several && !reads_path(own->cast.source[0])) {
        return stele__diag_error(diag, STELE_E_ARG, NULL,
                                 "--data: the run's data come from %s, which reads no file",
                                 own->cast.source[0]->desc.id);
    }
    ret->of_rows = several ? stele__calloc(own->spec->n_sources, 1) : NULL;
    if (several && ret->of_rows == NULL) {
        return STELE_E_NOMEM;
    }
    for (size_t i = 0; i < d->n && status == STELE_OK; i++) {
        status = several ? put_source(d->text[i], own, ret, diag)
                         : put("", 0, d->text[i], d->text[i], ret);
    }
    for (size_t i = 0; i < ret->n && status == STELE_OK; i++) {
        a->said[a->n_sets] = ret->said[i].data;
        a->set[a->n_sets++] = ret->set[i].data;
    }
    return status;
}

void stele__new_data_sets_finish(stele__new_data_sets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        stele__str_finish(&s->set[i]);
        stele__str_finish(&s->said[i]);
    }
    stele__free(s->of_rows);
    memset(s, 0, sizeof *s);
}

void stele__new_data_warn(const stele__run *run, const uint8_t *of_rows, stele__diag *diag)
{
    const stele__dataset *data = run->data;
    for (uint32_t i = 0; of_rows != NULL && i < run->model.n_modalities; i++) {
        const stele__matrix *m = &data->matrix[i];
        if (m->available && !of_rows[m->source] && m->n_present > 0) {
            stele__diag_warning(diag, NULL,
                                "%lld of %lld rows have `%s` from the run's own source `%s`, "
                                "which has rows of these ids",
                                (long long)m->n_present, (long long)data->n_rows, m->name,
                                run->source[m->source].name);
        }
    }
}
