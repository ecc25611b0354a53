/* The data.json of a run folder: any bytes are either refused with one message or give a state
 * whose names can all be read. */
#include "fuzz_file.h"

#include "base/diag.h"
#include "train/state.h"

#include <string.h>

static volatile size_t sink; /* keeps the reads */

static void read_all(char *const *text, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        FUZZ_CHECK(text[i] != NULL);
        sink = strlen(text[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    stele__state *s = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    int fd = fuzz_file(data, size, path);
    stele_status status = stele__state_read(path, &s, &diag);
    FUZZ_CHECK((status == STELE_OK) == (s != NULL) && (status == STELE_OK) == (diag.n == 0));
    for (size_t i = 0; s != NULL && i < s->n_matrices; i++) {
        FUZZ_CHECK(s->matrix[i].name != NULL && s->matrix[i].n_features > 0);
        read_all(s->matrix[i].feature, s->matrix[i].feature != NULL ? s->matrix[i].n_features : 0);
    }
    for (size_t i = 0; s != NULL && i < s->n_covariates; i++) {
        const stele__state_covariate *c = &s->covariate[i];
        FUZZ_CHECK(c->content == STELE_FIELD_CATEGORY || c->sd > 0.0);
        read_all(c->category, c->n_categories);
    }
    for (int p = 0; s != NULL && p < STELE__N_PARTS; p++) {
        read_all(s->id[p], s->n_ids[p]);
    }
    stele__state_destroy(s);
    stele__diag_finish(&diag);
    close(fd);
    return 0;
}
