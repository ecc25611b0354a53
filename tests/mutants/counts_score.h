/* The metric of counts.c. */
#include <stele/plugin.h>

#include <math.h>
#include <string.h>

/* Mean absolute error. */
typedef struct mean_error {
    double sum, n;
} mean_error;

static uint64_t score_size(const stele_inst *self)
{
    (void)self;
#ifdef DEFECT_STATE_SHORT
    return sizeof(mean_error) - sizeof(double);
#endif
    return sizeof(mean_error);
}

static stele_status score_add(const stele_inst *self, void *state, const stele_scored *s)
{
    mean_error *sc = state;
    (void)self;
#ifdef DEFECT_SCORE_RESETS
    memset(sc, 0, sizeof *sc);
#endif
    for (int64_t i = 0; i < s->n_rows * s->n_features; i++) {
        sc->sum += fabs((double)s->truth[i] - (double)s->predicted[i]);
        sc->n += 1.0;
    }
    return STELE_OK;
}

static stele_status score_end(const stele_inst *self, void *state, uint32_t capacity,
                              stele_metric *ret, uint32_t *ret_n)
{
    const mean_error *sc = state;
    (void)self;
    if (capacity < 1) {
        return STELE_E_ARG;
    }
    memset(ret, 0, sizeof *ret);
    memcpy(ret->name, "absolute_error", sizeof "absolute_error");
    ret->value = sc->n > 0.0 ? sc->sum / sc->n : NAN;
#ifdef DEFECT_SCORE_DRIFTS
    static int64_t calls;
    ret->value += 1e-12 * (double)calls++;
#endif
#ifdef DEFECT_SCORE_DIRECTION
    ret->higher_is_better = 1;
#endif
#ifdef DEFECT_METRIC_PAST
    ret[capacity] = ret[0];
#endif
#ifdef DEFECT_METRIC_BEFORE
    ret[-1] = ret[0];
#endif
    *ret_n = 1;
    return STELE_OK;
}
