/* The host's own keys. Every key here is one that the host acts on. */
#include "spec/spec.h"

#include <float.h>

static const stele_option TOP[] = {
    { .name = "stele",
      .help = "Version of the spec format.",
      .type = STELE_OPT_I64,
      .flags = STELE_OPT_REQUIRED,
      .offset = STELE_FIELD(stele__top_spec, version, int64_t),
      .min = { .i = 1 },
      .max = { .i = 1 } },
    STELE_OPTION_STR(stele__top_spec, name, "name", NULL, 0,
                     "Name of the run; the file's name if left out."),
    STELE_OPTION_I64(stele__top_spec, seed, "seed", 1, 0, INT64_MAX,
                     "Seed of everything random: split, initial parameters, order, noise."),
};

static const char *const WHICH_ROWS[] = { "all", "train", "test", NULL };
static const stele_option DATA[] = {
    STELE_OPTION_STR(stele__data_spec, source, "source", NULL, 0,
                     "Plugin that reads the data; its options stand beside this key."),
    STELE_OPTION_F64(stele__data_spec, train, "split.train", 0.8, 0.0, 1.0,
                     "Fraction of the rows that parameters are learned from."),
    STELE_OPTION_F64(stele__data_spec, valid, "split.valid", 0.1, 0.0, 1.0,
                     "Fraction of the rows that schedule and early stopping look at."),
    STELE_OPTION_F64(stele__data_spec, test, "split.test", 0.1, 0.0, 1.0,
                     "Fraction of the rows that training never sees."),
    STELE_OPTION_I64(stele__data_spec, n_folds, "split.folds", 0, 0, 1000,
                     "Divide the rows into that many equal parts and test on one of them, in place "
                     "of the fractions for training and test; 0: no folds."),
    STELE_OPTION_I64(stele__data_spec, fold, "split.fold", 1, 1, 1000,
                     "Which of the folds is the test part, counted from 1."),
    STELE_OPTION_STR(stele__data_spec, column, "split.column", NULL, 0,
                     "Label column that says train, valid, test or none for each row; where it "
                     "says valid nowhere, the fraction split.valid of the training rows is taken."),
    STELE_OPTION_STR(stele__data_spec, stratify, "split.stratify", NULL, 0,
                     "Label column whose classes are spread evenly over the parts."),
    STELE_OPTION_STR(stele__data_spec, group, "split.group", NULL, 0,
                     "Label column whose groups (patients, donors) are never divided."),
    STELE_OPTION_BOOL(stele__data_spec, contiguous, "split.contiguous", 0,
                      "Cut the parts or folds as stretches of the row order, so that neighbours in "
                      "time stay together."),
    STELE_OPTION_I64(stele__data_spec, gap, "split.gap", 0, 0, INT64_MAX,
                     "Rows left out on either side where a stretch ends; training rows go first."),
    STELE_OPTION_ENUM(stele__data_spec, missing_in, "missing_in", WHICH_ROWS, STELE__ROWS_ALL,
                      "Which rows lose what data.missing says: all, those of training (with the "
                      "validation rows), or those of the test."),
    STELE_OPTION_ENUM(stele__data_spec, mismatched_in, "mismatched_in", WHICH_ROWS, STELE__ROWS_ALL,
                      "The same of data.mismatched."),
};

static const char *const PRIORS[] = { "normal", "mixture", NULL };
static const char *const COVARIANCES[] = { "full", "diagonal", NULL };
static const stele_option LATENT[] = {
    STELE_OPTION_I64(stele__latent_spec, dim, "dim", 20, 1, 65536,
                     "Number of dimensions of the shared latent."),
    STELE_OPTION_ENUM(
        stele__latent_spec, prior.kind, "prior.kind", PRIORS, STELE__PRIOR_NORMAL,
        "What z is drawn from where nothing is given: N(0, I), or a mixture of normal "
        "distributions that is fitted to the posteriors of the training rows when "
        "training has ended. Training itself and bounds keep N(0, I)."),
    STELE_OPTION_I64(stele__latent_spec, prior.components, "prior.components", 10, 1, 4096,
                     "mixture: number of its components, at most that of the training rows."),
    STELE_OPTION_ENUM(
        stele__latent_spec, prior.covariance, "prior.covariance", COVARIANCES,
        STELE__COVARIANCE_FULL,
        "mixture: covariances of its components; diagonal ones suit many dimensions and "
        "few rows."),
};

static const char *const BOUNDS[] = { "elbo", "iwae", "dreg", NULL };
static const char *const RECONSTRUCT[] = { "own", "present", NULL };
static const stele_option OBJECTIVE[] = {
    STELE_OPTION_ENUM(stele__objective_spec, bound, "bound", BOUNDS, STELE__BOUND_ELBO,
                      "Lower bound of the likelihood that training maximises: the evidence lower "
                      "bound, the importance-weighted one, or that with the doubly reparametrised "
                      "gradient."),
    STELE_OPTION_I64(stele__objective_spec, samples, "samples", 1, 1, 1000,
                     "Samples of z per row and component of each posterior: elbo takes their mean, "
                     "iwae and dreg the logarithm of the mean of their importance weights."),
    STELE_OPTION_STR(stele__objective_spec, subsets, "subsets", "all+single", 0,
                     "Subsets of the present modalities that get a bound of their own: all, "
                     "all+single, all+random:K or all+single+random:K."),
    STELE_OPTION_ENUM(stele__objective_spec, reconstruct, "reconstruct", RECONSTRUCT,
                      STELE__RECONSTRUCT_PRESENT,
                      "What a subset reconstructs: its own modalities or all that are present."),
    STELE_OPTION_F64(stele__objective_spec, subset_weight, "subset_weight", 1.0, 0.0, 1e6,
                     "Weight of the bound of each subset beside the bound of all present."),
    STELE_OPTION_F64(stele__objective_spec, contrast, "contrast", 0.0, 0.0, 1e6,
                     "Weight of a contrastive term beside the bound: in every batch each row's "
                     "modalities have to find each other among the other rows', by the Bayes "
                     "factor that stele score uses; with it the loss is no bound."),
    STELE_OPTION_F64(stele__objective_spec, distil, "distil", 0.0, 0.0, 1e6,
                     "Weight of the distance KL(q(z | all) || q(z | one modality)), the former "
                     "held, mean over the modalities of rows with several: experts of single "
                     "modalities get as wide as what they leave open; with it the loss is no "
                     "bound."),
};

static const stele_option BETA[] = {
    STELE_OPTION_F64(stele__beta_spec, from, "from", 0.0, 0.0, 1e6,
                     "Weight of the KL term at the start."),
    STELE_OPTION_F64(stele__beta_spec, to, "to", 1.0, 0.0, 1e6,
                     "Weight of the KL term after the warm-up."),
    STELE_OPTION_I64(stele__beta_spec, epochs, "epochs", 0, 0, INT64_MAX,
                     "Length of the warm-up in epochs."),
    STELE_OPTION_I64(stele__beta_spec, steps, "steps", 0, 0, INT64_MAX,
                     "Length of the warm-up in steps, in place of epochs."),
};

static const char *const OPTIMISERS[] = { "adamw", NULL };
static const char *const SCHEDULES[] = { "constant", "cosine", "plateau", NULL };
static const char *const CRITERIA[] = { "loss", "elbo", NULL };
static const stele_option TRAIN[] = {
    STELE_OPTION_I64(stele__train_spec, epochs, "epochs", 0, 0, INT64_MAX,
                     "Passes over the training rows. 0: 100, or as many more as 6,000 steps take; "
                     "it ends early where a quarter of them in a row bring nothing better for the "
                     "validation rows. Without validation rows 100."),
    STELE_OPTION_I64(stele__train_spec, batch_size, "batch_size", 0, 0, 1048576,
                     "Rows per step; more than there are: all of them. 0: 128, or of fewer than "
                     "3,072 training rows the largest power of two, but at least 16, of which an "
                     "epoch has 24 batches."),
    STELE_OPTION_I64(stele__train_spec, threads, "threads", 0, 0, 4096,
                     "Threads; 0 takes one per core. Results do not depend on it."),
    STELE_OPTION_ENUM(stele__train_spec, optimiser.kind, "optimiser.kind", OPTIMISERS,
                      STELE__OPTIMISER_ADAMW, "Optimiser: Adam with decoupled weight decay."),
    STELE_OPTION_F64(stele__train_spec, optimiser.lr, "optimiser.lr", 1e-3, 1e-12, 1e3,
                     "Learning rate."),
    STELE_OPTION_F64_LIST(stele__train_spec, optimiser.betas, "optimiser.betas", "[0.9, 0.999]",
                          0.0, 0.999999999, "Decay of the first and second moment."),
    STELE_OPTION_F64(stele__train_spec, optimiser.eps, "optimiser.eps", 1e-8, 1e-30, 1.0,
                     "Added to the root of the second moment."),
    STELE_OPTION_F64(stele__train_spec, optimiser.weight_decay, "optimiser.weight_decay", 0.0, 0.0,
                     1e3, "Decoupled weight decay."),
    STELE_OPTION_F64(stele__train_spec, optimiser.clip_norm, "optimiser.clip_norm", 0.0, 0.0, 1e12,
                     "Longest gradient, as a global norm; 0 does not clip."),
    STELE_OPTION_ENUM(stele__train_spec, schedule.kind, "schedule.kind", SCHEDULES,
                      STELE__SCHEDULE_CONSTANT, "How the learning rate moves after the warm-up."),
    STELE_OPTION_I64(stele__train_spec, schedule.warmup_epochs, "schedule.warmup_epochs", 0, 0,
                     INT64_MAX, "Linear warm-up of the learning rate, in epochs."),
    STELE_OPTION_I64(stele__train_spec, schedule.warmup_steps, "schedule.warmup_steps", 0, 0,
                     INT64_MAX, "Linear warm-up of the learning rate, in steps."),
    STELE_OPTION_F64(stele__train_spec, schedule.factor, "schedule.factor", 0.5, 1e-6, 0.999999,
                     "plateau: factor of the learning rate at each reduction."),
    STELE_OPTION_I64(stele__train_spec, schedule.patience, "schedule.patience", 10, 1, INT64_MAX,
                     "plateau: epochs without improvement before a reduction."),
    STELE_OPTION_F64(stele__train_spec, schedule.min_lr, "schedule.min_lr", 0.0, 0.0, 1e3,
                     "cosine, plateau: the learning rate does not fall below."),
    STELE_OPTION_ENUM(stele__train_spec, criterion, "criterion", CRITERIA, STELE__CRITERION_LOSS,
                      "What of the validation rows tells the best epoch, and when to stop early or "
                      "lower the rate: the loss, with all its terms and the weights of the "
                      "modalities, or the ELBO of everything a row has, at weights of 1."),
    STELE_OPTION_I64(stele__train_spec, early_stopping.patience, "early_stopping.patience", 0, 0,
                     INT64_MAX,
                     "Epochs without improvement on the validation rows before training stops; "
                     "0: never, or where `epochs` is 0 a quarter of the epochs."),
    { .name = "early_stopping.min_delta",
      .help = "Smaller improvements do not count.",
      .unit = "nats per row",
      .type = STELE_OPT_F64,
      .offset = STELE_FIELD(stele__train_spec, early_stopping.min_delta, double),
      .max = { .f = DBL_MAX } },
    STELE_OPTION_I64(stele__train_spec, checkpoint.every_epochs, "checkpoint.every_epochs", 0, 0,
                     INT64_MAX,
                     "Epochs between two checkpoints of the last state; 0: one, or as many as take "
                     "two seconds."),
};

static const stele_option OUTPUT[] = {
    STELE_OPTION_STR(stele__output_spec, dir, "dir", NULL, 0,
                     "Run folder, from the working directory; runs/NAME if left out."),
};

static const char *const JUDGED[] = { "valid", "test", NULL };
static const stele_option SWEEP[] = {
    STELE_OPTION_STR_LIST(
        stele__sweep_spec, drop, "drop", "[]",
        "Modalities that are left out, one value per item: none, a name, or names "
        "joined by +."),
    STELE_OPTION_I64(stele__sweep_spec, draws, "draws", 10, 1, 10000,
                     "How often the keys under `random` are drawn, all of them together."),
    STELE_OPTION_I64(stele__sweep_spec, draw_seed, "seed", 1, 0, INT64_MAX,
                     "Seed of the draws; that of the trainings is the key `seed` of the spec."),
    STELE_OPTION_STR_LIST(
        stele__sweep_spec, over, "over", "[seed, data.split.fold]",
        "Swept keys whose values are repetitions of one setting: tables have mean "
        "and standard deviation over them, and tests pair by them."),
    STELE_OPTION_STR_LIST(
        stele__sweep_spec, higher, "metrics.higher", "[posteriors.joint.importance_weighted]",
        "Figures of stele eval that are better when they are higher, by their path "
        "in its JSON."),
    STELE_OPTION_STR_LIST(stele__sweep_spec, lower, "metrics.lower", "[]",
                          "Figures that are better when they are lower."),
    STELE_OPTION_ENUM(stele__sweep_spec, split, "split", JUDGED, STELE__SWEEP_TEST,
                      "Rows that the figures are about. What is chosen by the test rows has to be "
                      "judged on others."),
    STELE_OPTION_I64(stele__sweep_spec, jobs, "jobs", 0, 0, 4096,
                     "Runs at once; 0: cores over threads."),
    STELE_OPTION_I64(
        stele__sweep_spec, threads, "threads", 1, 1, 4096,
        "Threads of each run, in place of train.threads. Results do not depend on it."),
    { .name = "memory",
      .help = "What all runs together may take, as far as that can be told beforehand; 0: four "
              "fifths of what is available.",
      .unit = "GB",
      .type = STELE_OPT_F64,
      .offset = STELE_FIELD(stele__sweep_spec, memory, double),
      .max = { .f = 1e6 } },
};

typedef struct grid_key {
    stele_str_list values;
} grid_key;
static const stele_option GRID[] = {
    { .name = "NAME",
      .help = "Values of any kind that key NAME of the spec takes; there is a run for every "
              "combination of the values of all keys.",
      .type = STELE_OPT_STR_LIST,
      .flags = STELE_OPT_REQUIRED,
      .offset = STELE_FIELD(grid_key, values, stele_str_list) },
};

static const stele_option RANDOM[] = {
    { .name = "from",
      .help = "Lowest value.",
      .type = STELE_OPT_F64,
      .flags = STELE_OPT_REQUIRED,
      .offset = STELE_FIELD(stele__axis, from, double),
      .min = { .f = -DBL_MAX },
      .max = { .f = DBL_MAX } },
    { .name = "to",
      .help = "Highest value. Keys that take whole numbers get whole numbers.",
      .type = STELE_OPT_F64,
      .flags = STELE_OPT_REQUIRED,
      .offset = STELE_FIELD(stele__axis, to, double),
      .min = { .f = -DBL_MAX },
      .max = { .f = DBL_MAX } },
    STELE_OPTION_BOOL(stele__axis, log, "log", 0, "Draw evenly in the logarithm."),
};

static const stele_option MISSING[] = {
    STELE_OPTION_F64(stele__share_spec, fraction, "NAME", 0.0, 0.0, 1.0,
                     "Fraction of the rows that lose modality NAME."),
};

static const stele_option MISMATCHED[] = {
    STELE_OPTION_F64(stele__share_spec, fraction, "NAME", 0.0, 0.0, 1.0,
                     "Fraction of the rows of each part of the split that exchange modality NAME."),
};

typedef struct plugin_key {
    const char *plugin;
} plugin_key;
static const stele_option SOURCE[] = {
    STELE_OPTION_STR(plugin_key, plugin, "plugin", NULL, STELE_OPT_REQUIRED,
                     "Plugin that reads this source."),
};
static const stele_option FUSION[] = {
    STELE_OPTION_STR(plugin_key, plugin, "plugin", NULL, STELE_OPT_REQUIRED,
                     "Plugin that joins the modalities' experts into one posterior."),
};

static const char *const TRANSFORMS[] = { "none", "log1p", NULL };
static const char *const WINDOWS[] = { "centre", "past", NULL };
static const char *const CROSSES[] = { "prior", "learned", NULL };
static const stele_option MODALITY[] = {
    STELE_OPTION_STR(stele__modality_spec, plugin, "plugin", NULL, STELE_OPT_REQUIRED,
                     "Plugin with encoder, decoder and likelihood of this modality."),
    STELE_OPTION_STR(stele__modality_spec, from, "from", NULL, 0,
                     "Part of the data it reads, as the source names it (stele help source/NAME); "
                     "SOURCE:PART where several sources have it; the modality's name if left out."),
    STELE_OPTION_F64(stele__modality_spec, weight, "weight", 1.0, 0.0, 1e6,
                     "Weight of its log-likelihood in the objective."),
    STELE_OPTION_I64(stele__modality_spec, min_rows, "features.min_rows", 0, 0, INT64_MAX,
                     "Keep features that are not zero in at least that many training rows."),
    STELE_OPTION_ENUM(stele__modality_spec, transform, "transform", TRANSFORMS, 0,
                      "What is measured and predicted in place of a value x: log1p: log(1 + x)."),
    STELE_OPTION_I64(stele__modality_spec, most_variable, "features.most_variable", 0, 0, INT64_MAX,
                     "Of those, keep as many as vary most over the training rows, by the variance "
                     "of log(1 + value) with rows brought to one sum, or of the values themselves "
                     "where some are negative; 0: all."),
    STELE_OPTION_I64(stele__modality_spec, window.bins, "window.bins", 1, 1, 10000,
                     "Rows that the encoder gets in place of one: neighbours in the order of the "
                     "source and of the same part of the split; the likelihood stays that of the "
                     "row. 1: the row alone."),
    STELE_OPTION_ENUM(stele__modality_spec, window.at, "window.at", WINDOWS, STELE__WINDOW_CENTRE,
                      "Where the row itself stands in its window: in the middle, or at the end."),
    STELE_OPTION_STR(stele__modality_spec, window.group, "window.group", NULL, 0,
                     "Label column whose groups (trials, recordings) windows never leave."),
    STELE_OPTION_I64(stele__modality_spec, own.dim, "private.dim", 0, 0, 65536,
                     "Dimensions of a latent that this modality alone has beside z, for what "
                     "the others say nothing about; 0: none."),
    STELE_OPTION_ENUM(stele__modality_spec, own.cross, "private.cross", CROSSES, STELE__CROSS_PRIOR,
                      "Where that latent comes from when the modality is decoded from others: its "
                      "prior, or a normal distribution around 0 whose variances are learned."),
    STELE_OPTION_STR(stele__modality_spec, encoder.from, "encoder.from", NULL, 0,
                     "Part of the data that its encoder sees in place of `from`, where the plugin "
                     "asks for one: the tree of a cell whose shape is explained by numbers. A row "
                     "has both or neither."),
    STELE_OPTION_STR_LIST(stele__modality_spec, encoder.covariates, "encoder.covariates", "[]",
                          "Label columns that its encoder gets beside the measurement."),
    STELE_OPTION_STR_LIST(stele__modality_spec, decoder.covariates, "decoder.covariates", "[]",
                          "Label columns that its decoder gets beside the latent."),
};

static const char *const UNCERTAINTIES[] = { "fixed", "learned", NULL };
static const char *const POSTERIORS[] = { "auto", "joint", "subsets", NULL };
static const char *const TARGET_TYPES[] = { "auto", "category", "number", NULL };
static const stele_option HEAD[] = {
    STELE_OPTION_STR(stele__head_spec, plugin, "plugin", NULL, STELE_OPT_REQUIRED,
                     "Plugin that predicts from the latent."),
    { .name = "target",
      .help = "Label column that it predicts, or a list of several where its plugin wants them; "
              "SOURCE:COLUMN where several sources have it.",
      .type = STELE_OPT_STR_LIST,
      .flags = STELE_OPT_REQUIRED | STELE_OPT_SCALAR,
      .offset = STELE_FIELD(stele__head_spec, target, stele_str_list) },
    STELE_OPTION_F64(stele__head_spec, weight, "weight", 10.0, 0.0, 1e6,
                     "Weight of its loss in the objective, where the bound has the weight 1."),
    STELE_OPTION_ENUM(stele__head_spec, uncertainty, "uncertainty", UNCERTAINTIES, 0,
                      "learned: its loss is also divided by a variance that is learned with the "
                      "rest, so that hard tasks weigh less."),
    STELE_OPTION_I64(stele__head_spec, warmup_epochs, "warmup_epochs", 0, 0, INT64_MAX,
                     "Linear warm-up of the weight, in epochs."),
    STELE_OPTION_I64(stele__head_spec, warmup_steps, "warmup_steps", 0, 0, INT64_MAX,
                     "Linear warm-up of the weight, in steps."),
    STELE_OPTION_ENUM(
        stele__head_spec, posteriors, "posteriors", POSTERIORS, STELE__POSTERIORS_AUTO,
        "What z it learns from: joint: given all that a row has; subsets: also given "
        "each subset of objective.subsets, so that it predicts from few modalities; "
        "auto: subsets where there are some, but joint of a head that works against z."),
    STELE_OPTION_BOOL(stele__head_spec, calibrate, "calibrate", 1,
                      "After training, fit how sure its predictions are to the validation rows."),
    STELE_OPTION_ENUM(stele__head_spec, target_type, "target_type", TARGET_TYPES,
                      STELE__TARGET_AUTO,
                      "What the target is: as the data have it, or whole numbers as categories, or "
                      "categories named by numbers as numbers."),
    STELE_OPTION_STR_LIST(
        stele__head_spec, classes, "classes", "[]",
        "Classes of the target in their order, where plugins go by it; others count "
        "as missing. None: all, as the data have them or in alphabetical order."),
    STELE_OPTION_STR_LIST(stele__head_spec, covariates, "covariates", "[]",
                          "Label columns that it gets beside the latent."),
};

static const stele__section SECTIONS[STELE__N_SECTIONS] = {
    [STELE__SECTION_TOP] = { "", "Keys of the top level.", STELE__TABLE(TOP),
                             sizeof(stele__top_spec) },
    [STELE__SECTION_DATA] = { "data", "Where the rows come from and how they are split.",
                              STELE__TABLE(DATA), sizeof(stele__data_spec) },
    [STELE__SECTION_LATENT] = { "latent", "The latent that all modalities share.",
                                STELE__TABLE(LATENT), sizeof(stele__latent_spec) },
    [STELE__SECTION_OBJECTIVE] = { "objective", "What training maximises.", STELE__TABLE(OBJECTIVE),
                                   sizeof(stele__objective_spec) },
    [STELE__SECTION_TRAIN] = { "train", "How training goes about it.", STELE__TABLE(TRAIN),
                               sizeof(stele__train_spec) },
    [STELE__SECTION_OUTPUT] = { "output", "Where results are written.", STELE__TABLE(OUTPUT),
                                sizeof(stele__output_spec) },
    [STELE__SECTION_SWEEP] = { "sweep",
                               "Many runs from this spec, for stele sweep; other commands leave it "
                               "alone.",
                               STELE__TABLE(SWEEP), sizeof(stele__sweep_spec) },
    [STELE__SECTION_GRID] = { "sweep.grid", "Keys with all of their values.", STELE__TABLE(GRID),
                              sizeof(grid_key) },
    [STELE__SECTION_RANDOM] = { "sweep.random.NAME",
                                "What key NAME is drawn from: a list of values, or a range.",
                                STELE__TABLE(RANDOM), sizeof(stele__axis) },
    [STELE__SECTION_BETA] = { "objective.beta",
                              "Weight of the KL term: a number, or a linear warm-up. Without this "
                              "key from 0 to 1 within the first 100 steps.",
                              STELE__TABLE(BETA), sizeof(stele__beta_spec) },
    [STELE__SECTION_MISSING] = { "data.missing",
                                 "For experiments: modalities that random rows lose.",
                                 STELE__TABLE(MISSING), sizeof(stele__share_spec) },
    [STELE__SECTION_MISMATCHED] = { "data.mismatched",
                                    "For experiments: modalities of random rows that go to other "
                                    "rows, so that these have a wrong partner.",
                                    STELE__TABLE(MISMATCHED), sizeof(stele__share_spec) },
    [STELE__SECTION_SOURCE] = { "data.sources.NAME",
                                "In place of data.source: one of several sources, whose rows are "
                                "joined by id.",
                                STELE__TABLE(SOURCE), sizeof(plugin_key) },
    [STELE__SECTION_MODALITY] = { "modalities.NAME", "One kind of measurement.",
                                  STELE__TABLE(MODALITY), sizeof(stele__modality_spec) },
    [STELE__SECTION_FUSION] = { "fusion", "How experts are joined: a plugin's name, or a mapping.",
                                STELE__TABLE(FUSION), sizeof(plugin_key) },
    [STELE__SECTION_HEAD] = { "heads.NAME", "One prediction from the latent.", STELE__TABLE(HEAD),
                              sizeof(stele__head_spec) },
};

const stele__section *stele__section_get(int section)
{
    return &SECTIONS[section];
}
