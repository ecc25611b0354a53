#include "cli/score_reference.h"

static int is_new(const stele__open_request *q)
{
    return q->data.n > 0;
}

static stele_status score_valid(const stele__opened *o, uint64_t mask, stele__reference *ret,
                                stele__diag *diag)
{
    const stele__split *s = o->run.split;
    return stele__reference_compute(&o->judge, s->row[STELE__VALID], s->n[STELE__VALID], mask, ret,
                                    diag);
}

/* Beside other rows, the run once more with its own. That they are gone is no failure. */
static stele_status score_own(const stele__open_request *q, uint64_t mask, stele__reference *ret)
{
    stele__opened own;
    stele__diag unsaid;
    const stele__open_request request = { .dir = q->dir,
                                          .part = STELE__VALID,
                                          .checkpoint = q->checkpoint,
                                          .threads = q->threads,
                                          .encode_only = 1,
                                          .quiet = 1 };
    stele__diag_init(&unsaid);
    stele_status status = stele__opened_init(&own, &request, &unsaid);
    status = status == STELE_OK ? score_valid(&own, mask, ret, &unsaid) : status;
    if (status != STELE_OK) {
        stele__reference_finish(ret);
    }
    stele__opened_finish(&own);
    stele__diag_finish(&unsaid);
    return status == STELE_E_NOMEM ? status : STELE_OK;
}

stele_status stele__score_reference_open(const stele__opened *o, const stele__open_request *q,
                                         uint64_t mask, stele__reference *ret, stele__diag *diag)
{
    stele_status status = stele__reference_read(&o->run.model, q->dir, ret);
    if (status != STELE_OK || ret->pair != NULL || o->state->n_ids[STELE__VALID] == 0) {
        return status;
    }
    return is_new(q) ? score_own(q, mask, ret) : score_valid(o, mask, ret, diag);
}

static const char *why_none(const stele__opened *o, const stele__reference *r)
{
    return o->state->n_ids[STELE__VALID] == 0 ? "the run has no validation rows"
           : r->pair != NULL                  ? "no validation row has both"
                                              : "the run folder has no scores of validation rows "
                                                "for this checkpoint, nor can its data be opened";
}

static void warn_of_none(const stele__opened *o, const stele__reference *r,
                         const stele__consistency *c, double alpha, const char *a, const char *b,
                         stele__diag *diag)
{
    const char *why = why_none(o, r);
    if (c->n == 1) {
        stele__diag_warning(diag, NULL, "`%s` and `%s`: there is no p_match, as %s", a, b, why);
    } else if (1.0 / (double)c->n >= alpha) {
        stele__diag_warning(diag, NULL,
                            "`%s` and `%s`: p_match compares the rows with each other, as %s: with "
                            "%lld rows nothing can be flagged",
                            a, b, why, (long long)c->n);
    } else {
        stele__diag_warning(
            diag, NULL,
            "`%s` and `%s`: p_match compares the rows with each other, as %s: about "
            "%.3g %% are flagged, match or not",
            a, b, why, 100.0 * alpha);
    }
    stele__diag_hint(diag, "%slog_bayes_factor counts: above 0 speaks for a match",
                     o->state->n_ids[STELE__VALID] > 0 && r->pair == NULL
                         ? "stele train SPEC --resume writes them where the data are; else "
                         : "");
}

void stele__score_reference_warn(const stele__opened *o, const stele__open_request *q,
                                 const stele__reference *r, const stele__consistency *c,
                                 double alpha, uint32_t a, uint32_t b, stele__diag *diag)
{
    const char *one = o->run.model.modality[a].name, *other = o->run.model.modality[b].name;
    const int among = !is_new(q) && q->part == STELE__VALID;
    if (c->n_reference == 0) {
        warn_of_none(o, r, c, alpha, one, other, diag);
    } else if (1.0 / (double)(c->n_reference + !among) >= alpha) {
        stele__diag_warning(diag, NULL,
                            "`%s` and `%s`: %lld validation rows have both, with which no p_match "
                            "falls below %g: nothing can be flagged",
                            one, other, (long long)c->n_reference, alpha);
    } else if (among) {
        stele__diag_warning(diag, NULL,
                            "`%s` and `%s`: p_match compares the validation rows with each other: "
                            "about %.3g %% are flagged, match or not",
                            one, other, 100.0 * alpha);
        stele__diag_hint(diag, "other rows are compared with them: --split test, or new data");
    }
}
