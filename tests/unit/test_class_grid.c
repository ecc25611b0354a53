/* A classifier of measurements on a grid: bars that lie anywhere tell their class by their
 * direction alone. No single column knows anything of it. */
#include "test.h"

#include "eval/class_net.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINTS = 800, SEEN = 600, HEIGHT = 9, WIDTH = 8, CHANNELS = 2, BAR = 4 };
enum { COLUMNS = HEIGHT * WIDTH * CHANNELS };

typedef struct bars {
    float x[POINTS * COLUMNS];
    int32_t label[POINTS];
    int64_t row[POINTS];
} bars;

static uint32_t draw(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)(*state >> 8) * n) >> 24);
}

/* Channel 0 has the bar, channel 1 nothing but noise; class 1 lies across, class 0 upright. */
static void draw_bars(bars *b)
{
    uint32_t state = 5;
    for (int64_t i = 0; i < POINTS; i++) {
        const uint32_t across = draw(&state, 2);
        const uint32_t top = draw(&state, across ? HEIGHT : HEIGHT - BAR + 1);
        const uint32_t left = draw(&state, across ? WIDTH - BAR + 1 : WIDTH);
        float *x = b->x + i * COLUMNS;
        for (int64_t k = 0; k < COLUMNS; k++) {
            x[k] = 0.001F * (float)draw(&state, 100);
        }
        for (uint32_t k = 0; k < BAR; k++) {
            const uint32_t h = top + (across ? 0 : k), w = left + (across ? k : 0);
            x[(h * WIDTH + w) * CHANNELS] += 1.0F;
        }
        b->label[i] = (int32_t)across;
        b->row[i] = i;
    }
}

static stele_status read_bars(void *ctx, const int64_t *row, int64_t n, float *ret)
{
    const bars *b = ctx;
    for (int64_t i = 0; i < n; i++) {
        memcpy(ret + i * COLUMNS, b->x + row[i] * COLUMNS, COLUMNS * sizeof *ret);
    }
    return STELE_OK;
}

static stele__class_request request_of(bars *b, int64_t height, int64_t width)
{
    return (stele__class_request){ .rows = { read_bars, b, COLUMNS, height, width, 0 },
                                   .row = b->row,
                                   .label = b->label,
                                   .n = SEEN,
                                   .n_classes = 2,
                                   .seed = 4 };
}

/* Share of the points it was not trained on that it tells rightly. */
static double accuracy(const stele__class_net *net, stele_graph *g, const bars *b, int32_t *ret)
{
    int right = 0;
    assert_int_equal(stele__class_tell(net, g, b->x, POINTS, ret, NULL), STELE_OK);
    for (int64_t i = SEEN; i < POINTS; i++) {
        right += ret[i] == b->label[i];
    }
    return (double)right / (POINTS - SEEN);
}

static void directions_are_told_wherever_they_lie(void **state)
{
    static bars b;
    static int32_t told[POINTS];
    stele__class_net *net = NULL;
    stele_graph *g = NULL;
    (void)state;
    draw_bars(&b);
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    const stele__class_request grid = request_of(&b, HEIGHT, WIDTH), flat = request_of(&b, 0, 0);
    assert_int_equal(stele__class_train(g, &grid, &net, NULL), STELE_OK);
    const double with = accuracy(net, g, &b, told);
    stele__class_destroy(net);
    assert_int_equal(stele__class_train(g, &flat, &net, NULL), STELE_OK);
    const double without = accuracy(net, g, &b, told);
    stele__class_destroy(net);
    stele__graph_destroy(g);
    if (with < 0.92 || without > 0.87) {
        fail_msg("%.3f with convolutions, %.3f without", with, without);
    }
}

static void channels_lie_first_or_last(void **state)
{
    static bars b, first;
    static int32_t told[POINTS], again[POINTS];
    uint64_t digest = 0, other = 0;
    stele_graph *g = NULL;
    (void)state;
    draw_bars(&b);
    first = b;
    for (int64_t k = 0; k < (int64_t)POINTS * COLUMNS; k++) {
        const int64_t place = k % COLUMNS / CHANNELS, channel = k % CHANNELS;
        first.x[k - k % COLUMNS + channel * HEIGHT * WIDTH + place] = b.x[k];
    }
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    stele__class_request q[2] = { request_of(&b, HEIGHT, WIDTH),
                                  request_of(&first, HEIGHT, WIDTH) };
    q[1].rows.channels_first = 1;
    for (int i = 0; i < 2; i++) {
        stele__class_net *net = NULL;
        q[i].n = 200;
        assert_int_equal(stele__class_train(g, &q[i], &net, NULL), STELE_OK);
        accuracy(net, g, i == 0 ? &b : &first, i == 0 ? told : again);
        stele__class_destroy(net);
    }
    assert_memory_equal(told, again, sizeof told);
    q[0].rows.channels_first = 1;
    assert_int_equal(stele__class_digest(&q[0], &digest), STELE_OK);
    q[0].rows.channels_first = 0;
    assert_int_equal(stele__class_digest(&q[0], &other), STELE_OK);
    assert_true(digest != other);
    stele__graph_destroy(g);
}

static void it_is_kept_for_the_same_grid(void **state)
{
    static bars b;
    static int32_t told[POINTS], again[POINTS];
    uint64_t digest = 0, other = 0;
    char path[] = "/tmp/stele-class-grid-XXXXXX";
    stele__class_net *net = NULL, *kept = NULL;
    stele_graph *g = NULL;
    (void)state;
    draw_bars(&b);
    const int open = mkstemp(path);
    assert_true(open >= 0 && close(open) == 0);
    stele__class_request q = request_of(&b, HEIGHT, WIDTH);
    q.n = 100;
    const stele__class_request turned = request_of(&b, HEIGHT, WIDTH * CHANNELS);
    assert_int_equal(stele__class_digest(&q, &digest), STELE_OK);
    assert_int_equal(stele__class_digest(&turned, &other), STELE_OK);
    assert_true(digest != other);
    assert_int_equal(stele__graph_create(NULL, STELE_F32, &g), STELE_OK);
    assert_int_equal(stele__class_train(g, &q, &net, NULL), STELE_OK);
    accuracy(net, g, &b, told);
    assert_int_equal(stele__class_write(net, path, digest, NULL), STELE_OK);
    stele__class_destroy(net);
    assert_int_equal(stele__class_read(path, digest, &turned.rows, 2, &kept), STELE_OK);
    assert_null(kept);
    assert_int_equal(stele__class_read(path, digest, &q.rows, 2, &kept), STELE_OK);
    assert_non_null(kept);
    accuracy(kept, g, &b, again);
    assert_memory_equal(told, again, sizeof told);
    stele__class_destroy(kept);
    stele__graph_destroy(g);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directions_are_told_wherever_they_lie),
        cmocka_unit_test(channels_lie_first_or_last),
        cmocka_unit_test(it_is_kept_for_the_same_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
