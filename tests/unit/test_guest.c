/* Plugins as a spec names them, and what they say at run time: every message has its line and
 * column. */
#include "test.h"
/* CMocka has a macro of the name of a slot. */
#undef fail

#include "base/mem.h"
#include "plugin/guest.h"
#include "plugin/use.h"

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
    assert_says(&s, "t.yaml:8:10: fusion.width: 7 is not even (fusion/sound 0.1.0)\n");
    close_scene(&s);
    open_scene(&s, "\n  plugin: sound\n  inner: {share: 0.95}\n");
    stele__guest_destroy(start(&s, NULL, STELE_E_OPTION));
    assert_says(&s, "t.yaml:8:18: fusion.inner.share: is too much (fusion/sound 0.1.0)\n");
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
                    "for ABI 0.9, this program has ABI 0.1\n");
    close_scene(&s);
}

static void first_message_of_a_failing_call_is_shown(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, "{plugin: sound}");
    stele__guest *guest = start(&s, NULL, STELE_OK);
    const stele_host *h = stele__guest_host(guest);
    assert_int_equal(STELE_FAIL(h, STELE_E_DATA, "row %d is odd", 3), STELE_E_DATA);
    assert_int_equal(STELE_FAIL(h, STELE_E_DATA, "fuse failed"), STELE_E_DATA);
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_DATA, &s.diag), STELE_E_DATA);
    assert_says(&s, "t.yaml:6:1: fusion: row 3 is odd (fusion/sound 0.1.0)\n");
    /* It was forgotten: the next failure without words is shown as what it is. */
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_NOMEM, &s.diag), STELE_E_NOMEM);
    assert_says(&s, "t.yaml:6:1: fusion: fuse failed: out of memory (fusion/sound 0.1.0)\n");
    /* A call that recovered leaves nothing behind. */
    (void)STELE_FAIL(h, STELE_E_SHAPE, "never mind");
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_OK, &s.diag), STELE_OK);
    assert_int_equal(stele__guest_check(guest, "fuse", STELE_E_SHAPE, &s.diag), STELE_E_SHAPE);
    assert_says(&s, "t.yaml:6:1: fusion: fuse failed: shapes do not fit (fusion/sound 0.1.0)\n");
    /* Defects of the plugin name the line in its source. */
    (void)h->fail(h, STELE_E_INTERNAL, "../plugins/x.c:12", "lost count");
    (void)!stele__guest_check(guest, "fuse", STELE_E_INTERNAL, &s.diag);
    assert_says(&s, "t.yaml:6:1: fusion: lost count (fusion/sound 0.1.0)\n"
                    "    in fuse, said by x.c:12\n");
    stele__guest_destroy(guest);
    close_scene(&s);
}

static void *complain(void *host)
{
    for (int i = 0; i < 1000; i++) {
        (void)STELE_FAIL((const stele_host *)host, STELE_E_DATA, "aaaaaaaaaaaaaaaa");
    }
    return NULL;
}

static void complaints_from_threads_do_not_mix(void **state)
{
    (void)state;
    scene s;
    pthread_t thread[4];
    open_scene(&s, "{plugin: sound}");
    stele__guest *guest = start(&s, NULL, STELE_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            pthread_create(&thread[i], NULL, complain, (void *)(uintptr_t)stele__guest_host(guest)),
            0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    (void)!stele__guest_check(guest, "fuse", STELE_E_DATA, &s.diag);
    assert_says(&s, "t.yaml:6:1: fusion: aaaaaaaaaaaaaaaa (fusion/sound 0.1.0)\n");
    stele__guest_destroy(guest);
    close_scene(&s);
}

static void keep_line(void *user, int32_t level, const char *who, const char *text)
{
    snprintf(user, 64, "%d %s %s", (int)level, who, text);
}

static void log_lines_reach_the_sink(void **state)
{
    (void)state;
    scene s;
    char line[64] = "";
    stele__log log = { keep_line, line };
    open_scene(&s, "{plugin: sound, width: 4}");
    stele__guest_destroy(start(&s, &log, STELE_OK));
    assert_string_equal(line, "2 fusion width 4");
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
        cmocka_unit_test(complaints_from_threads_do_not_mix),
        cmocka_unit_test(log_lines_reach_the_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
