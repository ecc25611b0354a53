/* The plugin room: every refusal says its true reason, folders are searched in order, nothing that
 * a plugin does while it is loaded hurts the program. */
#include "test.h"

#include "base/mem.h"
#include "plugin/listing.h"
#include "plugin/places.h"
#include "plugin/preload.h"
#include "plugin/registry.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER TEST_PLUGINS "/fusion/"

/* Open tests/plugins/fusion/NAME.so; its messages, one per line, must contain `want`, or be none
 * when want is NULL. */
static void expect(const char *name, stele_status code, const char *want)
{
    char path[1024], text[4096] = "";
    stele__library *lib = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    snprintf(path, sizeof path, "%s%s.so", FOLDER, name);
    stele_status status = stele__library_open(path, 0, NULL, &lib, &diag);
    for (size_t i = 0; i < diag.n; i++) {
        /* Every message starts with the whole path of the culprit. */
        assert_memory_equal(diag.message[i].text, FOLDER, strlen(FOLDER));
        strncat(text, diag.message[i].text + strlen(FOLDER), sizeof text - strlen(text) - 1);
        strncat(text, "\n", sizeof text - strlen(text) - 1);
    }
    if (status != code || (want != NULL ? strstr(text, want) == NULL : text[0] != '\0')) {
        fail_msg("%s: status %d, messages: %s", name, status, text);
    }
    assert_true((lib != NULL) == (status == STELE_OK));
    stele__library_destroy(lib);
    stele__diag_finish(&diag);
}

static void every_refusal_says_why(void **state)
{
    (void)state;
    const struct {
        const char *name, *want;
    } cases[] = {
        { "answers_null", "answers_null.so: has nothing for ABI 0, the one of this program\n" },
        { "other_major", "was built for ABI 7.2, this program has ABI 0.2\n" },
        { "other_minor", "was built for ABI 0.9, this program has ABI 0.2\n" },
        { "fast_tag", "its ABI tag is `p64-le-fast`, this program's is `p64-le-ieee`: compiled "
                      "with -ffast-math\n" },
        { "no_tag", "its ABI tag is `none`, this program's is `" STELE_ABI_TAG "`\n" },
        { "short_library", "its library table has 16 bytes, where ABI 0.2 asks for at least 40\n" },
        { "no_plugins", "lists 0 plugins\n" },
        { "short_descriptor",
          "its descriptor has 64 bytes, where ABI 0.2 asks for at least 104\n" },
        { "short_vtable", "fusion/short_vtable: its vtable has 40 bytes, where ABI 0.2 asks for at "
                          "least 56\n" },
        { "huge_vtable", "its vtable has 18446744073709551615 bytes" },
        { "null_slot", "fusion/null_slot: its slot `fuse` is NULL\n" },
        { "newer_host", "needs a program of ABI 0.3 or later, this one has 0.2\n" },
        { "strange_duty", "insists on capabilities 0x10000000000, which this program does not" },
        { "wrong_id", "holds fusion/elsewhere, so the file has to be called elsewhere.so\n" },
        { "wrong_kind", "its id `fusion/wrong_kind` is not of the form head/NAME" },
        { "no_summary", "fusion/no_summary: has no summary\n" },
        { "control", "fusion/control: its summary has a control character\n" },
        { "detail_name", "its detail `no name` is not a name of [a-z0-9_]\n" },
        { "option_outside", "option 2 (`far`) lies outside of its config block\n" },
        { "option_type", "option 2 (`odd`) has a type that this host does not know\n" },
        { "no_entry", "is no plugin: it has no function stele_plugin_query\n" },
        { "undefined", "undefined.so: cannot load: undefined symbol: nobody_defines_this\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect(cases[i].name, STELE_E_ABI, cases[i].want);
    }
    expect("absent", STELE_E_IO, "absent.so: cannot open: No such file or directory\n");
    expect("sound", STELE_OK, NULL);
}

/* A module may switch rounding or subnormals while it loads; the program must not notice. */
static void floating_point_environment_survives(void **state)
{
    (void)state;
    volatile float subnormal = 1e-39f, one = 1.0f;
    expect("rounds", STELE_OK,
           "rounds.so: loading it changed the floating-point environment (the "
           "rounding mode); restored\n");
    assert_int_equal(fegetround(), FE_TONEAREST);
    /* Whether this module does harm depends on the toolchain; that none is left does not. */
    char path[] = FOLDER "fast_link.so";
    stele__library *lib = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    assert_int_equal(stele__library_open(path, 0, NULL, &lib, &diag), STELE_OK);
    assert_true(diag.n == 0 || strstr(diag.message[0].text, "linked with -ffast-math") != NULL);
    assert_true(subnormal * one != 0.0f);
    stele__library_destroy(lib);
    stele__diag_finish(&diag);
}

static void copies_are_whole(void **state)
{
    (void)state;
    stele__library *lib = NULL;
    assert_int_equal(stele__library_open(FOLDER "sound.so", 0, NULL, &lib, NULL), STELE_OK);
    assert_int_equal(lib->n, 1);
    const stele__plugin *p = &lib->plugin[0];
    assert_string_equal(p->desc.id, "fusion/sound");
    assert_string_equal(p->name, "sound");
    assert_string_equal(p->origin, FOLDER "sound.so");
    assert_int_equal(p->desc.n_options, 2);
    assert_string_equal(p->desc.options[1].name, "inner.share");
    assert_non_null(p->vt.fusion.fuse);
    assert_null(p->vt.fusion.loss);
    assert_ptr_equal(p->desc.vtable, &p->vt);
    stele__library_destroy(lib);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, in)) != 0;) {
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* ROOT/fusion in a fresh folder; *state is ROOT. */
static int make_root(void **state)
{
    char root[] = "/tmp/stele-plugin-XXXXXX", path[128];
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/fusion", root);
    assert_int_equal(mkdir(path, 0755), 0);
    *state = strdup(root);
    return 0;
}

static int remove_root(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    int status = system(command);
    free(*state);
    return status;
}

static void what_others_can_change_is_refused(void **state)
{
    char path[160], folder[128];
    stele__library *lib = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    snprintf(folder, sizeof folder, "%s/fusion", (char *)*state);
    snprintf(path, sizeof path, "%s/sound.so", folder);
    copy_file(FOLDER "sound.so", path);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(stele__library_open(path, 0, NULL, &lib, &diag), STELE_E_IO);
    assert_non_null(strstr(diag.message[0].text, "every user may write to this file: not loaded"));
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(folder, 01777), 0);
    assert_int_equal(stele__library_open(path, 0, NULL, &lib, &diag), STELE_E_IO);
    assert_non_null(strstr(diag.message[1].text, "every user may write to its folder: not loaded"));
    /* A folder further up could be renamed and replaced; the sticky bit forbids that. */
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(stele__library_open(path, 0, NULL, &lib, &diag), STELE_E_IO);
    assert_non_null(strstr(diag.message[2].text, " above it: not loaded"));
    assert_int_equal(stele__library_open(path, 1, NULL, &lib, &diag), STELE_OK);
    assert_int_equal(diag.message[3].severity, STELE__WARNING);
    assert_non_null(strstr(diag.message[3].text, " above it: loaded all the same"));
    stele__library_destroy(lib);
    assert_int_equal(chmod(*state, 01777), 0);
    assert_int_equal(stele__library_open(path, 0, NULL, &lib, NULL), STELE_OK);
    stele__library_destroy(lib);
    assert_int_equal(chmod(*state, 0755), 0);
    if (geteuid() == 0) {
        /* Only root can give files away. */
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_int_equal(stele__library_open(path, 0, NULL, &lib, &diag), STELE_E_IO);
        assert_non_null(strstr(diag.message[4].text, "this file belongs to user 12345, who"));
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chown(folder, 12345, 0), 0);
        assert_int_equal(stele__library_open(path, 0, NULL, &lib, &diag), STELE_E_IO);
        assert_non_null(strstr(diag.message[5].text, "its folder belongs to user 12345, who"));
        assert_int_equal(chown(folder, 0, 0), 0);
    }
    assert_int_equal(stele__library_open(path, 0, NULL, &lib, NULL), STELE_OK);
    stele__library_destroy(lib);
    stele__diag_finish(&diag);
}

static stele__registry *make_registry(const char *first, const char *second)
{
    const char *folder[] = { first, second };
    stele__registry_settings settings = { .folder = folder, .n_folders = second != NULL ? 2 : 1 };
    stele__registry *r = NULL;
    assert_int_equal(stele__registry_create(&settings, &r, NULL), STELE_OK);
    return r;
}

static void first_folder_wins(void **state)
{
    char path[128];
    const stele__plugin *p = NULL, *again = NULL;
    snprintf(path, sizeof path, "%s/fusion/sound.so", (char *)*state);
    copy_file(FOLDER "sound.so", path);
    stele__registry *r = make_registry(*state, TEST_PLUGINS);
    assert_int_equal(stele__registry_find(r, STELE_FUSION, "sound", NULL, &p, NULL), STELE_OK);
    assert_string_equal(p->origin, path);
    assert_int_equal(stele__registry_find(r, STELE_FUSION, "sound", NULL, &again, NULL), STELE_OK);
    assert_ptr_equal(p, again);
    /* The same file by its path is the same plugin, another file with its id is none. */
    assert_int_equal(stele__registry_find(r, STELE_FUSION, path, NULL, &again, NULL), STELE_OK);
    assert_ptr_equal(p, again);
    stele__diag diag;
    stele__diag_init(&diag);
    stele__place at = { .file = "a.yaml", .line = 4, .column = 2, .path = "fusion.plugin" };
    assert_int_equal(stele__registry_find(r, STELE_FUSION, FOLDER "sound.so", &at, &again, &diag),
                     STELE_E_ABI);
    assert_non_null(strstr(diag.message[0].text, "fusion/sound is already loaded from "));
    assert_int_equal(diag.message[0].line, 4);
    stele__diag_finish(&diag);
    stele__registry_destroy(r);
}

/* A broken plugin in front hides the sound one behind it, loudly. */
static void first_match_wins_even_if_refused(void **state)
{
    char path[128];
    const stele__plugin *p = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    snprintf(path, sizeof path, "%s/fusion/sound.so", (char *)*state);
    copy_file(FOLDER "null_slot.so", path);
    stele__registry *r = make_registry(*state, TEST_PLUGINS);
    assert_int_equal(stele__registry_find(r, STELE_FUSION, "sound", NULL, &p, &diag), STELE_E_ABI);
    assert_non_null(strstr(diag.message[0].text, "holds fusion/null_slot, so the file has to be"));
    assert_int_equal(diag.n, 1);
    stele__diag_finish(&diag);
    stele__registry_destroy(r);
}

static void unknown_names_near_ones_and_places(void **state)
{
    const stele__plugin *p = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    stele__registry *r = make_registry(*state, TEST_PLUGINS);
    assert_int_equal(stele__registry_find(r, STELE_FUSION, "soumd", NULL, &p, &diag), STELE_E_ABI);
    assert_string_equal(diag.message[0].text, "there is no fusion plugin `soumd`");
    assert_non_null(
        strstr(diag.message[0].hint, "did you mean `sound`? there are: answers_null, "));
    assert_non_null(strstr(diag.message[0].hint, "/fusion, " TEST_PLUGINS "/fusion"));
    assert_int_equal(stele__registry_find(r, STELE_MODALITY, "sound", NULL, &p, &diag),
                     STELE_E_ABI);
    assert_non_null(
        strstr(diag.message[1].hint, "`sound` is a fusion plugin; there are: fails, mute\n"));
    stele__diag_finish(&diag);
    stele__registry_destroy(r);
}

static void listing_survives_crashes(void **state)
{
    char path[128];
    size_t seen = 0;
    stele__listing listing;
    snprintf(path, sizeof path, "%s/fusion/sound.so", (char *)*state);
    copy_file(FOLDER "sound.so", path);
    stele__registry *r = make_registry(*state, TEST_PLUGINS);
    assert_int_equal(stele__registry_list(r, &listing), STELE_OK);
    for (size_t i = 0; i < listing.n; i++) {
        const stele__listed *l = &listing.item[i];
        if (strcmp(l->name, "crashes") == 0) {
            assert_non_null(strstr(l->refused, "crashes while it is loaded: "));
            seen++;
        } else if (strcmp(l->name, "exits") == 0) {
            assert_string_equal(l->refused, "ends the program while it is loaded, exit status 3");
            seen++;
        } else if (strcmp(l->name, "closes") == 0) {
            assert_string_equal(l->refused, "closes files of the program while it is loaded");
            seen++;
        } else if (strcmp(l->name, "null_slot") == 0) {
            assert_string_equal(l->refused, "fusion/null_slot: its slot `fuse` is NULL");
            seen++;
        } else if (strcmp(l->name, "sound") == 0) {
            assert_null(l->refused);
            assert_string_equal(l->summary, "A plugin for tests.");
            assert_string_equal(l->version, "0.1.0");
            assert_null(l->reference);
            /* The copy in the first folder is used, the other one is shadowed by it. */
            if (strcmp(l->origin, path) == 0) {
                assert_null(l->shadowed_by);
            } else {
                assert_string_equal(l->shadowed_by, path);
            }
            seen++;
        }
    }
    assert_int_equal(seen, 6);
    stele__listing_finish(&listing);
    stele__registry_destroy(r);
}

static const stele_library *query_none(uint32_t major, uint32_t minor)
{
    (void)major;
    (void)minor;
    return NULL;
}

/* Two tables' worth of entries: libltdl must not mix up their symbols. */
static const stele_library *query_first(uint32_t major, uint32_t minor);

static const stele_option no_options[1];
static stele_status create(const stele_create_args *a, stele_inst **ret)
{
    (void)a;
    *ret = NULL;
    return STELE_E_UNSUPPORTED;
}
static void destroy(stele_inst *self)
{
    (void)self;
}
static stele_status traits(const stele_inst *self, stele_head_traits *ret)
{
    (void)self;
    (void)ret;
    return STELE_OK;
}
static stele_status predict(const stele_inst *self, stele_graph *g, stele_tensor *z,
                            stele_tensor *covariates, stele_tensor **ret_y)
{
    (void)self;
    (void)g;
    (void)covariates;
    *ret_y = z;
    return STELE_OK;
}
static stele_status loss(const stele_inst *self, stele_graph *g, stele_tensor *y,
                         stele_tensor *target, stele_tensor **ret_rows)
{
    (void)self;
    (void)g;
    (void)target;
    *ret_rows = y;
    return STELE_OK;
}

static const stele_library *query_first(uint32_t major, uint32_t minor)
{
    static const stele_head_vt vt = { .struct_size = sizeof vt,
                                      .create = create,
                                      .destroy = destroy,
                                      .traits = traits,
                                      .predict = predict,
                                      .loss = loss };
    static const stele_plugin plugin = { .struct_size = sizeof plugin,
                                         .kind = STELE_HEAD,
                                         .id = "head/built_in_one",
                                         .version = "1.0",
                                         .summary = "Built in.",
                                         .license = "BSD-3-Clause",
                                         .options = no_options,
                                         .option_stride = sizeof(stele_option),
                                         .vtable = &vt };
    static const stele_plugin *const list[] = { &plugin };
    static const stele_library lib = {
        sizeof lib, STELE_ABI_MAJOR, STELE_ABI_MINOR, STELE_ABI_TAG, list, 1
    };
    (void)major;
    (void)minor;
    return &lib;
}

static void built_in_plugins_are_found_by_kind_and_name(void **state)
{
    (void)state;
    const lt_dlsymlist table[] = {
        { "stele", NULL },
        { "fusion_built_in_one.a", NULL },
        { "fusion_built_in_one_LTX_stele_plugin_query", (void *)(uintptr_t)query_none },
        { "head_built_in_one.a", NULL },
        { "head_built_in_one_LTX_stele_plugin_query", (void *)(uintptr_t)query_first },
        { NULL, NULL },
    };
    const char *folder[] = { TEST_PLUGINS };
    stele__registry_settings settings = { .preload = table, .folder = folder, .n_folders = 1 };
    stele__registry *r = NULL;
    const stele__plugin *p = NULL;
    stele__candidates all;
    stele__diag diag;
    stele__diag_init(&diag);
    assert_int_equal(stele__registry_create(&settings, &r, NULL), STELE_OK);
    assert_int_equal(stele__registry_find(r, STELE_HEAD, "built_in_one", NULL, &p, NULL), STELE_OK);
    assert_string_equal(p->desc.id, "head/built_in_one");
    assert_string_equal(p->origin, "built in");
    assert_int_equal(stele__registry_find(r, STELE_FUSION, "built_in_one", NULL, &p, &diag),
                     STELE_E_ABI);
    assert_string_equal(diag.message[0].text,
                        "built in: has nothing for ABI 0, the one of this program");
    assert_int_equal(stele__registry_find(r, STELE_FUSION, "sound", NULL, &p, NULL), STELE_OK);
    assert_int_equal(stele__registry_candidates(r, &all), STELE_OK);
    size_t built_in = 0;
    for (size_t i = 0; i < all.n; i++) {
        built_in += all.item[i].path == NULL;
    }
    assert_int_equal(built_in, 2);
    stele__candidates_finish(&all);
    stele__diag_finish(&diag);
    stele__registry_destroy(r);
}

static void places_come_in_order(void **state)
{
    char moved[128];
    const stele__layout layout = { "/nowhere/build", "/nowhere/lib/plugins-0", "../fusion" };
    stele__places p;
    stele__diag diag;
    stele__diag_init(&diag);
    assert_int_equal(
        stele__places_find(&layout, "/a:.:rel/b::/c", "/nowhere/build/tests/x", &p, &diag),
        STELE_OK);
    assert_int_equal(p.n, 4);
    assert_string_equal(p.folder[0], "/a");
    assert_string_equal(p.folder[1], "/c");
    assert_string_equal(p.folder[2], "/nowhere/build/plugins");
    assert_string_equal(p.folder[3], "/nowhere/lib/plugins-0");
    assert_int_equal(diag.n, 3);
    assert_string_equal(diag.message[0].text,
                        "STELE_PLUGIN_PATH: `.` is not an absolute path: left out");
    assert_non_null(strstr(diag.message[2].text, "an empty element would be the working "));
    stele__places_finish(&p);
    stele__diag_finish(&diag);
    /* ROOT/fusion/stele, a program that was moved, finds ROOT/fusion; a namesake of the build
     * folder is not the build folder. */
    snprintf(moved, sizeof moved, "%s/fusion/stele", (char *)*state);
    assert_int_equal(stele__places_find(&layout, NULL, moved, &p, NULL), STELE_OK);
    assert_int_equal(p.n, 1);
    assert_memory_equal(p.folder[0], *state, strlen(*state));
    stele__places_finish(&p);
    assert_int_equal(stele__places_find(&layout, NULL, "/nowhere/build2/stele", &p, NULL),
                     STELE_OK);
    assert_int_equal(p.n, 1);
    stele__places_finish(&p);
}

#define WITH_ROOT(test_) cmocka_unit_test_setup_teardown(test_, make_root, remove_root)

int main(void)
{
    umask(022);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_says_why),
        cmocka_unit_test(floating_point_environment_survives),
        cmocka_unit_test(copies_are_whole),
        WITH_ROOT(what_others_can_change_is_refused),
        WITH_ROOT(first_folder_wins),
        WITH_ROOT(first_match_wins_even_if_refused),
        WITH_ROOT(unknown_names_near_ones_and_places),
        WITH_ROOT(listing_survives_crashes),
        cmocka_unit_test(built_in_plugins_are_found_by_kind_and_name),
        WITH_ROOT(places_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
