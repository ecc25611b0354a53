#include "train/schedule.h"

#include <math.h>

enum { MOST_ROWS = 128, FEWEST_ROWS = 16, STEPS_AN_EPOCH = 24, FEWEST_EPOCHS = 100, STEPS = 6000 };

static int64_t fitting_batch(int64_t n)
{
    int64_t size = MOST_ROWS;
    while (size > 1 && (2 * size > n || (size > FEWEST_ROWS && STEPS_AN_EPOCH * size > n))) {
        size /= 2;
    }
    return size;
}

stele__train_spec stele__train_for(const stele__train_spec *said, int64_t n_train, int64_t n_valid)
{
    stele__train_spec t = *said;
    t.batch_size = said->batch_size == 0 ? fitting_batch(n_train) : said->batch_size;
    t.batch_size = t.batch_size < n_train ? t.batch_size : n_train;
    if (said->epochs == 0) {
        const int64_t a_pass = (n_train + t.batch_size - 1) / t.batch_size;
        t.epochs = (STEPS + a_pass - 1) / a_pass;
        t.epochs = t.epochs < FEWEST_EPOCHS || n_valid == 0 ? FEWEST_EPOCHS : t.epochs;
        if (said->early_stopping.patience == 0) {
            t.early_stopping.patience = t.epochs / 4;
        }
    }
    return t;
}

double stele__beta_at(const stele__beta_spec *beta, int64_t step, int64_t steps_per_epoch)
{
    int64_t n = beta->steps > 0 ? beta->steps : beta->epochs * steps_per_epoch;
    if (n <= 0 || step >= n) {
        return beta->to;
    }
    return beta->from + (beta->to - beta->from) * (double)step / (double)n;
}

double stele__lr_at(const stele__train_spec *train, int64_t step, int64_t steps_per_epoch,
                    double reduction)
{
    const double lr = train->optimiser.lr, min_lr = train->schedule.min_lr;
    const double pi = 3.14159265358979323846;
    int64_t warmup = train->schedule.warmup_steps > 0
                         ? train->schedule.warmup_steps
                         : train->schedule.warmup_epochs * steps_per_epoch;
    int64_t total = train->epochs * steps_per_epoch;
    if (step < warmup) {
        return lr * (double)(step + 1) / (double)warmup;
    }
    switch (train->schedule.kind) {
    case STELE__SCHEDULE_COSINE: {
        double share = total > warmup ? (double)(step - warmup) / (double)(total - warmup) : 1.0;
        return min_lr + 0.5 * (lr - min_lr) * (1.0 + cos(pi * (share < 1.0 ? share : 1.0)));
    }
    case STELE__SCHEDULE_PLATEAU: return fmax(lr * reduction, min_lr);
    default: return lr;
    }
}

void stele__plateau_init(stele__plateau *p)
{
    *p = (stele__plateau){ .best = -HUGE_VAL, .best_epoch = -1, .reduction = 1.0 };
}

int stele__plateau_add(stele__plateau *p, const stele__train_spec *train, int64_t epoch,
                       double value)
{
    if (value > p->best + (p->best_epoch >= 0 ? train->early_stopping.min_delta : 0.0)) {
        p->best = value;
        p->best_epoch = epoch;
        p->waited = p->waited_lr = 0;
        return 1;
    }
    p->waited++;
    p->waited_lr++;
    if (train->schedule.kind == STELE__SCHEDULE_PLATEAU &&
        p->waited_lr >= train->schedule.patience) {
        p->reduction *= train->schedule.factor;
        p->waited_lr = 0;
    }
    return 0;
}

int stele__plateau_stop(const stele__plateau *p, const stele__train_spec *train)
{
    return train->early_stopping.patience > 0 && p->waited >= train->early_stopping.patience;
}
