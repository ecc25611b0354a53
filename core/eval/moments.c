#include "eval/moments.h"

#include <math.h>

void stele__moments_add(stele__moments *m, double value)
{
    double difference = value - m->mean;
    m->n += 1.0;
    m->mean += difference / m->n;
    m->squares += difference * (value - m->mean);
}

void stele__moments_merge(stele__moments *m, const stele__moments *other)
{
    if (other->n == 0.0) {
        return;
    }
    double n = m->n + other->n;
    double difference = other->mean - m->mean;
    m->squares += other->squares + difference * difference * m->n * other->n / n;
    m->mean += difference * other->n / n;
    m->n = n;
}

double stele__moments_variance(const stele__moments *m)
{
    return m->n >= 2.0 ? m->squares / (m->n - 1.0) : NAN;
}

double stele__moments_standard_error(const stele__moments *m)
{
    return sqrt(stele__moments_variance(m) / m->n);
}

void stele__comoments_add(stele__comoments *m, double truth, double prediction)
{
    double dt = truth - m->mean_true, dp = prediction - m->mean_predicted;
    m->n += 1.0;
    m->mean_true += dt / m->n;
    m->mean_predicted += dp / m->n;
    m->squares_true += dt * (truth - m->mean_true);
    m->squares_predicted += dp * (prediction - m->mean_predicted);
    m->products += dt * (prediction - m->mean_predicted);
    m->residual += (truth - prediction) * (truth - prediction);
}

void stele__comoments_merge(stele__comoments *m, const stele__comoments *other)
{
    if (other->n == 0.0) {
        return;
    }
    double n = m->n + other->n;
    double weight = m->n * other->n / n;
    double dt = other->mean_true - m->mean_true;
    double dp = other->mean_predicted - m->mean_predicted;
    m->squares_true += other->squares_true + dt * dt * weight;
    m->squares_predicted += other->squares_predicted + dp * dp * weight;
    m->products += other->products + dt * dp * weight;
    m->residual += other->residual;
    m->mean_true += dt * other->n / n;
    m->mean_predicted += dp * other->n / n;
    m->n = n;
}

double stele__comoments_correlation(const stele__comoments *m)
{
    if (!(m->squares_true > 0.0) || !(m->squares_predicted > 0.0)) {
        return NAN;
    }
    return m->products / (sqrt(m->squares_true) * sqrt(m->squares_predicted));
}

double stele__comoments_r2(const stele__comoments *m)
{
    return m->squares_true > 0.0 ? 1.0 - m->residual / m->squares_true : NAN;
}

double stele__log_mean_exp(const double *value, size_t n)
{
    double largest = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(value[i])) {
            return NAN;
        }
        largest = value[i] > largest ? value[i] : largest;
    }
    if (n == 0 || isinf(largest)) {
        return n == 0 ? NAN : largest;
    }
    for (size_t i = 0; i < n; i++) {
        sum += exp(value[i] - largest);
    }
    return largest + log(sum / (double)n);
}
