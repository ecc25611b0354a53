/* Plugins as a spec names them, and what they say at run time: every message has its line and
 * column. */
#include "test.h"
/* CMocka has a macro of the name of a slot. */
#undef fail

#include "base/mem.h"
#include "plugin/guest.h"
#include "plugin/use.h"

#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A spec with a fusion section, read and with its plugin's options applied. */
typedef struct scene {
    stele__registry *registry;
    stele__spec *spec;
    const stele__plugin *plugin;
    stele__diag diag;
    stele_status status; /* of stele__instance_use */
} scene;

static void open_scene(scene *s, const char *fusion)
{
    const char *folder[] = { TEST_PLUGINS };
    stele__registry_settings settings = { .folder = folder, .n_folders = 1 };
    stele__spec_doc *doc = NULL;
    char text[1024];
    memset(s, 0, sizeof *s);
    stele__diag_init(&s->diag);
    assert_int_equal(stele__registry_create(&settings, &s->registry, NULL), STELE_OK);
    snprintf(text, sizeof text,
             "stele: 1\ndata: {source: none}\nlatent: {dim: 2}\nmodalities:\n"
             "  a: {plugin: none}\nfusion: %s\ntrain: {epochs: 1}\n",
             fusion);
    assert_int_equal(stele__spec_doc_parse(text, strlen(text), "t.yaml", TEST_PLUGINS, &doc, NULL),
                     STELE_OK);
    (void)!stele__spec_create(doc, &s->spec, &s->diag);
    assert_non_null(s->spec);
    s->status = stele__instance_use(s->registry, &s->spec->fusion, &s->plugin, &s->diag);
}

static void close_scene(scene *s)
{
    stele__spec_destroy(s->spec);
    stele__registry_destroy(s->registry);
    stele__diag_finish(&s->diag);
}

/* The newest message as the user sees it. */
static void assert_says(const scene *s, const char *want)
{
    char *text = NULL;
    assert_true(s->diag.n > 0);
    assert_int_equal(stele__message_format(&s->diag.message[s->diag.n - 1], &text), STELE_OK);
    assert_string_equal(text, want);
    stele__free(text);
}

static void assert_begins(const scene *s, const char *want)
{
    char *text = NULL;
    assert_true(s->diag.n > 0);
    assert_int_equal(stele__message_format(&s->diag.message[s->diag.n - 1], &text), STELE_OK);
    assert_true(strlen(text) >= strlen(want));
    text[strlen(want)] = '\0';
    assert_string_equal(text, want);
    stele__free(text);
}

static const stele__host_tables no_tables;

static stele__guest *start(scene *s, const stele__log *log, stele_status want)
{
    stele__guest *guest = NULL;
    stele_create_args args = { .latent_dim = 2, .n_modalities = 1 };
    assert_int_equal(
        stele__guest_create(s->plugin, "fusion", s->spec->fusion.config, &no_tables, log, &guest),
        STELE_OK);
    assert_int_equal(stele__guest_start(guest, &args, &s->diag), want);
    return guest;
}

static void options_reach_the_plugin(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "{plugin: sound, width: 8, inner: {share: 0.25}}");
    assert_int_equal(s.status, STELE_OK);
    struct {
        int64_t width;
        double share;
    } values;
    memcpy(&values, stele__config_values(s.spec->fusion.config), sizeof values);
    assert_int_equal(values.width, 8);
    assert_true(values.share == 0.25);
    stele__guest *guest = start(&s, NULL, STELE_OK);
    assert_non_null(stele__guest_inst(guest));
    assert_null(stele__guest_host(guest)->extension(stele__guest_host(guest), "org.example/1"));
    assert_int_equal(s.diag.n, 0);
    stele__guest_destroy(guest);
    close_scene(&s);
}

static void bad_options_are_reported_at_their_place(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "{plugin: sound, width: 100}");
    assert_int_equal(s.status, STELE_E_OPTION);
    assert_int_equal(s.diag.message[0].line, 6);
    assert_int_equal(s.diag.message[0].column, 32);
    assert_string_equal(s.diag.message[0].path, "fusion.width");
    close_scene(&s);
    open_scene(&s, "{plugin: sounf}");
    assert_int_equal(s.status, STELE_E_ABI);
    assert_int_equal(s.diag.message[0].line, 6);
    assert_int_equal(s.diag.message[0].column, 18);
    assert_string_equal(s.diag.message[0].path, "fusion.plugin");
    assert_string_equal(s.diag.message[0].text, "there is no fusion plugin `sounf`");
    close_scene(&s);
}

/* What only create() can know has the place of the option all the same. */
static void messages_of_create_have_a_place(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "\n  plugin: sound\n  width: 7\n");
    stele__guest_destroy(start(&s, NULL, STELE_E_OPTION));
    assert_begins(&s, "t.yaml:8:10: fusion.width: 7 is not even (fusion/sound 0.1.0)\n"
                      "    in create, said by broken.c:");
    close_scene(&s);
    open_scene(&s, "\n  plugin: sound\n  inner: {share: 0.95}\n");
    stele__guest_destroy(start(&s, NULL, STELE_E_OPTION));
    assert_begins(&s, "t.yaml:8:18: fusion.inner.share: is too much (fusion/sound 0.1.0)\n"
                      "    in create, said by broken.c:");
    close_scene(&s);
}

static void paths_are_meant_from_the_spec(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "{plugin: ./fusion/sound.so}");
    assert_int_equal(s.status, STELE_OK);
    assert_string_equal(s.plugin->desc.id, "fusion/sound");
    close_scene(&s);
    open_scene(&s, "{plugin: ./fusion/other_minor.so}");
    assert_int_equal(s.status, STELE_E_ABI);
    assert_says(&s, "t.yaml:6:18: fusion.plugin: " TEST_PLUGINS "/fusion/other_minor.so: was built "
                    "for ABI 0.9, this program has ABI 0.2\n");
    close_scene(&s);
}

static void first_message_of_a_failing_call_is_shown(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "{plugin: sound}");
    stele__guest *guest = start(&s, NULL, STELE_OK);
    const stele_host *h = stele__guest_host(guest);
    assert_int_equal(h->fail(h, STELE_E_DATA, "../plugins/x.c:12", "row %d is odd", 3),
                     STELE_E_DATA);
    assert_int_equal(STELE_FAIL(h, STELE_E_DATA, "fuse failed"), STELE_E_DATA);
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_DATA, &s.diag), STELE_E_DATA);
    assert_says(&s, "t.yaml:6:1: fusion: row 3 is odd (fusion/sound 0.1.0)\n"
                    "    in fuse, said by x.c:12\n");
    /* It was forgotten: the next failure without words is shown as what it is. */
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_NOMEM, &s.diag), STELE_E_NOMEM);
    assert_says(&s, "t.yaml:6:1: fusion: fuse failed: out of memory (fusion/sound 0.1.0)\n");
    /* A call that recovered leaves nothing behind. */
    (void)STELE_FAIL(h, STELE_E_SHAPE, "never mind");
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_OK, &s.diag), STELE_OK);
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_SHAPE, &s.diag), STELE_E_SHAPE);
    assert_says(&s, "t.yaml:6:1: fusion: fuse failed: shapes do not fit (fusion/sound 0.1.0)\n");
    /* What it says with another status than it returns is better than no word. */
    (void)h->fail(h, STELE_E_SHAPE, "x.c:13", "two experts too many");
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_INTERNAL, &s.diag),
                     STELE_E_INTERNAL);
    assert_says(&s, "t.yaml:6:1: fusion: two experts too many (fusion/sound 0.1.0)\n"
                    "    in fuse, said by x.c:13\n");
    /* Nor does a guest take what another one said. */
    stele__guest *other = start(&s, NULL, STELE_OK);
    (void)STELE_FAIL(stele__guest_host(other), STELE_E_SHAPE, "not by me");
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_SHAPE, &s.diag), STELE_E_SHAPE);
    assert_says(&s, "t.yaml:6:1: fusion: fuse failed: shapes do not fit (fusion/sound 0.1.0)\n");
    stele__guest_destroy(other);
    stele__guest_destroy(guest);
    close_scene(&s);
}

/* One thread of many that call into the same plugin. */
typedef struct caller {
    stele__guest *guest;
    pthread_barrier_t *together;
    int number;
    stele__said said;
} caller;

static void *complain(void *arg)
{
    caller *c = arg;
    const stele_host *h = stele__guest_host(c->guest);
    (void)h->fail(h, STELE_E_DATA, "x.c:1", "thread %d", c->number);
    pthread_barrier_wait(c->together); /* all have spoken before anybody listens */
    (void)h->fail(h, STELE_E_DATA, "x.c:2", "too late");
    stele__guest_end(c->guest, "likelihood", STELE_E_DATA, &c->said);
    return NULL;
}

static void every_call_has_its_own_words(void **state)
{
    (void)state;
    scene s;
    pthread_t thread[4];
    pthread_barrier_t together;
    caller c[4];
    open_scene(&s, "{plugin: sound}");
    stele__guest *guest = start(&s, NULL, STELE_OK);
    pthread_barrier_init(&together, NULL, 4);
    for (int i = 0; i < 4; i++) {
        c[i] = (caller){ .guest = guest, .together = &together, .number = i };
        assert_int_equal(pthread_create(&thread[i], NULL, complain, &c[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        char want[16];
        snprintf(want, sizeof want, "thread %d", i);
        pthread_join(thread[i], NULL);
        assert_int_equal(c[i].said.code, STELE_E_DATA);
        assert_string_equal(c[i].said.text, want);
        assert_string_equal(c[i].said.where, "x.c:1");
    }
    pthread_barrier_destroy(&together);
    stele__guest_destroy(guest);
    close_scene(&s);
}

static void keep_line(void *user, int32_t level, const char *who, const char *text)
{
    snprintf(user, 256, "%d %s %s", (int)level, who != NULL ? who : "-", text);
}

static void log_lines_reach_the_sink(void **state)
{
    (void)state;
    scene s;
    char line[256] = "";
    stele__log log = { keep_line, line };
    open_scene(&s, "{plugin: sound, width: 4}");
    stele__guest_destroy(start(&s, &log, STELE_OK));
    assert_string_equal(line, "2 fusion width 4");
    close_scene(&s);
}

static void change_settings(const char *which)
{
    if (strcmp(which, "rounding") == 0) {
        fesetround(FE_DOWNWARD);
    } else if (strcmp(which, "traps") == 0) {
        feclearexcept(FE_ALL_EXCEPT);
        feenableexcept(FE_DIVBYZERO | FE_INVALID);
    } else if (strcmp(which, "locale") == 0) {
        assert_non_null(setlocale(LC_NUMERIC, "C.UTF-8"));
#if defined(__x86_64__)
    } else {
        __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | (which[0] == 'z' ? 0x8000 : 0x0040));
#endif
    }
}

static int settings_are_good(void)
{
    volatile float subnormal = 1e-39f, tenth = 0.1f, smallest = 1.17549435e-38f, one = 1.0f;
    return fegetround() == FE_TONEAREST && fegetexcept() == 0 && subnormal * one != 0.0f &&
           smallest * tenth != 0.0f && strcmp(setlocale(LC_ALL, NULL), "C") == 0;
}

/* What a call changes of the process is put back, with one warning that names the culprit. */
static void settings_are_put_back(void **state)
{
    (void)state;
    static const struct {
        const char *which, *line;
    } cases[] = {
        { "rounding", "(the rounding mode); restored" },
        { "traps", "(the traps); restored" },
        { "locale", "fuse changed the locale; restored" },
#if defined(__x86_64__)
        { "zero results", "became zero: linked with -ffast-math?); restored" },
        { "operands", "became zero: linked with -ffast-math?); restored" },
#endif
    };
    scene s;
    char line[256];
    int n_changed = 0;
    stele__log log = { keep_line, line };
    open_scene(&s, "{plugin: sound}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stele__guest *guest = start(&s, &log, STELE_OK);
        change_settings(cases[i].which);
        int changed = !settings_are_good(); /* valgrind knows the rounding alone */
        n_changed += changed;
        line[0] = '\0';
        stele__guest_end(guest, "fuse", STELE_OK, NULL);
        assert_true(settings_are_good());
        if (changed) {
            assert_non_null(strstr(line, "warning: fusion: fusion/sound 0.1.0: fuse changed the "));
            assert_non_null(strstr(line, cases[i].line));
        }
        line[0] = '\0';
        change_settings(cases[i].which);
        stele__guest_end(guest, "fuse", STELE_OK, NULL);
        assert_true(settings_are_good());
        assert_int_equal(line[0], '\0');
        stele__guest_destroy(guest);
    }
    assert_true(n_changed >= 2);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_reach_the_plugin),
        cmocka_unit_test(bad_options_are_reported_at_their_place),
        cmocka_unit_test(messages_of_create_have_a_place),
        cmocka_unit_test(paths_are_meant_from_the_spec),
        cmocka_unit_test(first_message_of_a_failing_call_is_shown),
        cmocka_unit_test(every_call_has_its_own_words),
        cmocka_unit_test(log_lines_reach_the_sink),
        cmocka_unit_test(settings_are_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
