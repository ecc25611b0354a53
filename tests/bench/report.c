#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void title(const bench_shape *s, const char *what, char ret[96])
{
    snprintf(ret, 96, "%s/%lld+%lld", what, (long long)s->genes, (long long)s->peaks);
}

static void add_part(json_t *figures, const bench_shape *s, const char *part, double seconds,
                     double whole)
{
    char what[32], name[96];
    snprintf(what, sizeof what, "part/%s", part);
    title(s, what, name);
    printf("    %-24s %8.2f ms  %4.0f %%\n", part, 1e3 * seconds, 100.0 * seconds / whole);
    json_array_append_new(figures, json_pack("{s:s, s:f}", "name", name, "ms", 1e3 * seconds));
}

void report_step(json_t *figures, const bench_shape *shape, const bench_step *s,
                 const bench_footprint *f, double pytorch_ms)
{
    char name[96];
    double over = s->step / s->floor, times = 1e-3 * pytorch_ms / s->step;
    title(shape, "step", name);
    printf("\n%s: %zu parameters\n", name, s->parameters);
    printf("  step   %8.2f ms   %.2f x floor", 1e3 * s->step, over);
    if (isfinite(times)) {
        printf("   PyTorch %.2f ms, %.2f x as long", pytorch_ms, times);
    }
    printf("\n  floor  %8.2f ms   products %.2f ms at %.0f GF/s, update %.2f ms at %.1f GB/s\n",
           1e3 * s->floor, 1e3 * s->floor_products, s->gflops, 1e3 * s->floor_update,
           1e-9 * s->copy_rate);
    json_array_append_new(
        figures,
        json_pack("{s:s, s:f, s:f, s:f, s:o, s:o, s:f, s:f, s:f, s:f, s:f}", "name", name, "ms",
                  1e3 * s->step, "floor_ms", 1e3 * s->floor, "over_floor", over, "pytorch_ms",
                  number(pytorch_ms), "pytorch_over_stele", number(times), "peak_mb", f->peak_mb,
                  "allowed_mb", f->allowed_mb, "first_step_ms", 1e3 * f->first_step, "gflops",
                  s->gflops, "copy_gb_per_s", 1e-9 * s->copy_rate));
    add_part(figures, shape, "batch", s->batch, s->step);
    add_part(figures, shape, "encoders", s->encode, s->step);
    add_part(figures, shape, "fused-decoders", s->fused, s->step);
    add_part(figures, shape, "of-which-likelihood", s->likelihood, s->step);
    add_part(figures, shape, "forward-rest", s->forward_rest, s->step);
    add_part(figures, shape, "backward", s->backward, s->step);
    add_part(figures, shape, "norm", s->norm, s->step);
    add_part(figures, shape, "update", s->update, s->step);
    printf("  memory %8.0f MB   allowed %.0f MB; %.2f s to the first step\n", f->peak_mb,
           f->allowed_mb, f->first_step);
}

/* Two shares of a step: as timed, and what all calls over the border take together, which is more
 * than what their being loaded adds. */
void report_border(json_t *figures, const bench_shape *shape, const bench_border *b)
{
    char name[96];
    double bound = b->calls * b->call / b->built_in;
    title(shape, "border", name);
    printf("\n%s: a rule that does nothing, loaded %.3f ms, built in %.3f ms: %+.2f %% of a step "
           "(quartiles %+.2f to %+.2f)\n",
           name, 1e3 * b->loaded, 1e3 * b->built_in, 100.0 * b->difference / b->built_in,
           100.0 * b->low / b->built_in, 100.0 * b->high / b->built_in);
    printf("  %.0f calls of %.2f ns (built in %.2f) together: %.4f %%\n", b->calls, 1e9 * b->call,
           1e9 * b->call_built_in, 100.0 * bound);
    json_array_append_new(
        figures,
        json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "name", name, "loaded_ms",
                  1e3 * b->loaded, "built_in_ms", 1e3 * b->built_in, "share",
                  b->difference / b->built_in, "share_low", b->low / b->built_in, "share_high",
                  b->high / b->built_in, "calls", b->calls, "call_ns", 1e9 * b->call,
                  "call_built_in_ns", 1e9 * b->call_built_in, "share_of_calls", bound));
}

void report_scale(json_t *figures, const bench_shape *shape, const bench_footprint *f)
{
    char name[96];
    snprintf(name, sizeof name, "rows/%lld", (long long)shape->rows);
    printf("%-14s step %8.2f ms, %5.0f MB (allowed %.0f), %.2f s to the first step, %.0f "
           "allocations per step\n",
           name, 1e3 * f->step, f->peak_mb, f->allowed_mb, f->first_step, f->allocations);
    json_array_append_new(figures, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "name", name, "ms",
                                             1e3 * f->step, "peak_mb", f->peak_mb, "allowed_mb",
                                             f->allowed_mb, "first_step_ms", 1e3 * f->first_step,
                                             "allocations_per_step", f->allocations));
}

/* The twin prints one number. */
void report_conv(json_t *figures, const bench_shape *shape, double seconds, double pytorch_ms)
{
    char name[96];
    double times = 1e-3 * pytorch_ms / seconds;
    if (shape->kind != NULL) {
        snprintf(name, sizeof name, "sequence/%s", shape->kind);
    } else {
        snprintf(name, sizeof name, "conv/%lldx%lld", (long long)shape->side,
                 (long long)shape->side);
    }
    printf("\n%s: step %.2f ms", name, 1e3 * seconds);
    if (isfinite(times)) {
        printf("   PyTorch %.2f ms, %.2f x as long", pytorch_ms, times);
    }
    printf("\n");
    json_array_append_new(figures, json_pack("{s:s, s:f, s:o, s:o}", "name", name, "ms",
                                             1e3 * seconds, "pytorch_ms", number(pytorch_ms),
                                             "pytorch_over_stele", number(times)));
}

void report_missing(json_t *figures, const bench_shape *shape, const double *seconds)
{
    static const char *const what[BENCH_N_MISSING] = { "none", "half-rna", "half-atac",
                                                       "half-both" };
    printf("\n");
    for (int k = 0; k < BENCH_N_MISSING; k++) {
        char text[32], name[96];
        double part = seconds[k] / seconds[BENCH_ALL];
        snprintf(text, sizeof text, "missing/%s", what[k]);
        title(shape, text, name);
        printf("%-32s step %8.2f ms, %.2f of that with nothing missing\n", name, 1e3 * seconds[k],
               part);
        json_array_append_new(figures, json_pack("{s:s, s:f, s:f}", "name", name, "ms",
                                                 1e3 * seconds[k], "of_complete", part));
    }
}

double twin_ms(const bench_shape *shape)
{
    const char *python = getenv("STELE_BENCH_PYTHON");
    char command[4096];
    double ms = NAN;
    int n = snprintf(command, sizeof command,
                     "'%s' '%s' --genes %lld --peaks %lld --side %lld --batch %d --hidden %d "
                     "--threads %d --kind '%s'",
                     python != NULL ? python : "python3", BENCH_TWIN, (long long)shape->genes,
                     (long long)shape->peaks, (long long)shape->side, shape->batch, shape->hidden,
                     shape->threads, shape->kind != NULL ? shape->kind : "");
    fflush(NULL);
    FILE *out = n > 0 && (size_t)n < sizeof command ? popen(command, "r") : NULL;
    if (out != NULL) {
        if (fscanf(out, "%lf", &ms) != 1) {
            ms = NAN;
        }
        pclose(out);
    }
    return ms;
}
