/* The spec room: trees with places, scalars, option tables, and the host's sections. */
#include "test.h"

#include "base/mem.h"
#include "spec/help.h"
#include "spec/scalar.h"
#include "spec/spec.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static stele__spec_doc *parse(const char *text, stele__diag *diag)
{
    stele__spec_doc *doc = NULL;
    stele__diag_init(diag);
    if (stele__spec_doc_parse(text, strlen(text), "t.yaml", NULL, &doc, diag) != STELE_OK) {
        assert_true(diag->n_errors > 0);
        return NULL;
    }
    return doc;
}

/* All messages as they would be shown. */
static char *shown(stele__diag *diag)
{
    stele__str all;
    stele__str_init(&all);
    for (size_t i = 0; i < diag->n; i++) {
        char *text = NULL;
        assert_int_equal(stele__message_format(&diag->message[i], &text), STELE_OK);
        stele__str_append(&all, text);
        stele__free(text);
    }
    stele__diag_finish(diag);
    return stele__str_take(&all);
}

static void expect(stele__diag *diag, const char *text)
{
    char *s = shown(diag);
    assert_string_equal(s, text);
    stele__free(s);
}

static void scalars_follow_yaml(void **state)
{
    (void)state;
    int64_t i;
    double f;
    int32_t b;
    assert_int_equal(stele__scalar_i64("-9223372036854775808", &i), STELE__SCALAR_OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(stele__scalar_i64("9223372036854775808", &i), STELE__SCALAR_TOO_LARGE);
    assert_int_equal(stele__scalar_i64("0x1F", &i), STELE__SCALAR_OK);
    assert_int_equal(i, 31);
    assert_int_equal(stele__scalar_i64("0o17", &i), STELE__SCALAR_OK);
    assert_int_equal(i, 15);
    assert_int_equal(stele__scalar_i64("1.0", &i), STELE__SCALAR_OTHER);
    assert_int_equal(stele__scalar_i64("1_000", &i), STELE__SCALAR_OTHER);
    assert_int_equal(stele__scalar_f64("1e-3", &f), STELE__SCALAR_OK);
    assert_true(f == 1e-3);
    assert_int_equal(stele__scalar_f64("-.5", &f), STELE__SCALAR_OK);
    assert_true(f == -0.5);
    assert_int_equal(stele__scalar_f64("-.inf", &f), STELE__SCALAR_OK);
    assert_true(isinf(f) && f < 0);
    assert_int_equal(stele__scalar_f64("1e999", &f), STELE__SCALAR_TOO_LARGE);
    const char *others[] = { ".nan", "nan", "inf", "0x1p3", "1e", "1,5", "", "." };
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
        assert_int_equal(stele__scalar_f64(others[k], &f), STELE__SCALAR_OTHER);
    }
    assert_int_equal(stele__scalar_bool("Off", &b), STELE__SCALAR_OK);
    assert_int_equal(b, 0);
    assert_int_equal(stele__scalar_bool("yES", &b), STELE__SCALAR_OTHER);
    assert_true(stele__scalar_is_null("~") && stele__scalar_is_null("") &&
                !stele__scalar_is_null("none"));
}

static void doubles_round_trip_in_any_locale(void **state)
{
    (void)state;
    const double values[] = { 0.1, 1e-5, 1.0 / 3.0, DBL_MAX, DBL_MIN, 5e-324, -2.5e17, 0.0 };
    char *old = strdup(setlocale(LC_ALL, NULL));
    (void)!setlocale(LC_ALL, "de_DE.UTF-8"); /* a decimal comma, where it is installed */
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        stele__str s;
        double back = NAN;
        stele__str_init(&s);
        stele__scalar_put_f64(&s, values[i]);
        assert_int_equal(stele__scalar_f64(s.data, &back), STELE__SCALAR_OK);
        assert_true(back == values[i]);
        stele__str_finish(&s);
    }
    setlocale(LC_ALL, old);
    free(old);
}

static void merge_keys_fill_gaps_only(void **state)
{
    (void)state;
    stele__diag diag;
    stele__spec_doc *doc = parse("one: &one {a: 1, b: 2}\n"
                                 "two: &two {b: 3, c: 4}\n"
                                 "x: {<<: [*one, *two], a: 9}\n",
                                 &diag);
    assert_non_null(doc);
    stele__node *x = stele__node_find(stele__spec_doc_root(doc), "x");
    assert_int_equal(x->n, 3);
    assert_string_equal(stele__node_find(x, "a")->text, "9"); /* explicit wins */
    assert_string_equal(stele__node_find(x, "b")->text, "2"); /* the first map wins */
    assert_string_equal(stele__node_find(x, "c")->text, "4");
    assert_int_equal(stele__node_find(x, "c")->line, 2); /* where it was written */
    stele__str path;
    stele__str_init(&path);
    stele__node_path(stele__node_find(x, "c"), &path);
    assert_string_equal(path.data, "x.c"); /* where it is used */
    stele__str_finish(&path);
    stele__spec_doc_destroy(doc);
    stele__diag_finish(&diag);
}

static void aliases_do_not_explode(void **state)
{
    (void)state;
    stele__diag diag;
    stele__str bomb;
    stele__str_init(&bomb);
    stele__str_append(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        stele__str_printf(&bomb, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            stele__str_printf(&bomb, "%s*a%d", k != 0 ? ", " : "", i - 1);
        }
        stele__str_append(&bomb, "]\n");
    }
    assert_null(parse(bomb.data, &diag));
    char *text = shown(&diag);
    assert_non_null(strstr(text, "more than 100000 values"));
    stele__free(text);
    stele__str_finish(&bomb);
    assert_null(parse("a: &a [1, *a]\n", &diag));
    expect(&diag, "t.yaml:1:11: the alias `*a` stands inside its own anchor\n");
    char deep[400];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "a: ", 3);
    deep[sizeof deep - 1] = '\0';
    assert_null(parse(deep, &diag));
    expect(&diag, "t.yaml:1:67: nested deeper than 64 levels\n");
}

static void all_duplicates_are_reported(void **state)
{
    (void)state;
    stele__diag diag;
    stele__spec_doc *doc = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n", &diag);
    assert_non_null(doc); /* for the other mistakes to be found */
    assert_string_equal(stele__node_find(stele__spec_doc_root(doc), "a")->text, "1");
    stele__spec_doc_destroy(doc);
    expect(&diag, "t.yaml:2:11: b.c: the key occurs twice in one mapping\n"
                  "    the first one is at line 2, column 5\n"
                  "t.yaml:3:1: a: the key occurs twice in one mapping\n"
                  "    the first one is at line 1, column 1\n");
}

typedef struct block {
    int32_t flag, choice;
    int64_t i;
    double f;
    const char *s, *path;
    stele_i64_list il;
    stele_f64_list fl;
    stele_str_list sl;
    int64_t old;
} block;
static const char *const CHOICES[] = { "one", "two", NULL };
static const stele_option ROWS[] = {
    STELE_OPTION_BOOL(block, flag, "flag", 1, "A flag."),
    STELE_OPTION_ENUM(block, choice, "choice", CHOICES, 1, "A choice."),
    STELE_OPTION_I64(block, i, "sub.i", 3, 1, 10, "An integer."),
    STELE_OPTION_F64(block, f, "sub.f", 0.1, 0.0, 1.0, "A number."),
    STELE_OPTION_STR(block, s, "s", NULL, 0, "A text."),
    STELE_OPTION_PATH(block, path, "path", 0, "A file."),
    STELE_OPTION_I64_LIST(block, il, "il", "[7, 8]", 1, 10, "Integers."),
    STELE_OPTION_F64_LIST(block, fl, "fl", "[0.5]", 0.0, 1.0, "Numbers."),
    STELE_OPTION_STR_LIST(block, sl, "sl", "[a, b]", "Texts."),
    { .name = "old",
      .help = "Use sub.i.",
      .type = STELE_OPT_I64,
      .flags = STELE_OPT_DEPRECATED,
      .offset = STELE_FIELD(block, old, int64_t) },
};
static const stele__table TABLE = STELE__TABLE(ROWS);

static void defaults_and_values_arrive(void **state)
{
    (void)state;
    stele__diag diag;
    stele__config *config = NULL;
    stele__spec_doc *doc = parse("{}", &diag);
    assert_int_equal(
        stele__config_create(&TABLE, sizeof(block), stele__spec_doc_root(doc), "t", &config, &diag),
        STELE_OK);
    const block *b = stele__config_values(config);
    assert_true(b->flag == 1 && b->choice == 1 && b->i == 3 && b->f == 0.1 && b->s == NULL);
    assert_true(b->il.n == 2 && b->il.v[1] == 8 && b->fl.n == 1 && b->fl.v[0] == 0.5);
    assert_string_equal(b->sl.v[1], "b");
    stele__config_destroy(config);
    stele__spec_doc_destroy(doc);
    doc = parse("flag: off\nchoice: one\nsub: {i: 10, f: 1e-3}\ns: 5\npath: /x\nil: []\n"
                "fl: [1, .5]\nsl: [yes]\nold: 4\n",
                &diag);
    assert_int_equal(
        stele__config_create(&TABLE, sizeof(block), stele__spec_doc_root(doc), "t", &config, &diag),
        STELE_OK);
    assert_int_equal(stele__node_check_keys(stele__spec_doc_root(doc), &diag), STELE_OK);
    b = stele__config_values(config);
    assert_true(b->flag == 0 && b->choice == 0 && b->i == 10 && b->f == 1e-3 && b->il.n == 0);
    assert_string_equal(b->s, "5");
    assert_string_equal(b->path, "/x");
    assert_string_equal(b->sl.v[0], "yes");
    assert_true(b->fl.n == 2 && b->fl.v[0] == 1.0 && b->fl.v[1] == 0.5 && b->old == 4);
    assert_true(stele__config_given(config, "sub.i") && !stele__config_given(config, "sub.x"));
    expect(&diag, "t.yaml:9:1: warning: old: this key is deprecated\n    Use sub.i.\n");
    stele__config_destroy(config);
    stele__spec_doc_destroy(doc);
}

static void every_bad_value_is_reported_at_its_place(void **state)
{
    (void)state;
    stele__diag diag;
    stele__config *config = NULL;
    stele__spec_doc *doc =
        parse("flag: 1\nchoice: tow\nsub:\n  i: 11\n  f: \"1\"\n  g: 2\nil: [1, x, 99]\n"
              "fl: 2\nflga: 1\nf: 1\n",
              &diag);
    stele__node *root = stele__spec_doc_root(doc);
    assert_int_equal(stele__config_create(&TABLE, sizeof(block), root, "t", &config, &diag),
                     STELE_E_OPTION);
    assert_int_equal(stele__node_check_keys(root, &diag), STELE_E_OPTION);
    assert_null(config);
    expect(&diag, "t.yaml:1:7: flag: is `1`, expected true or false\n"
                  "t.yaml:2:9: choice: is `tow`, expected one or two\n    did you mean `two`?\n"
                  "t.yaml:4:6: sub.i: is 11, allowed is 1 to 10\n"
                  "t.yaml:5:6: sub.f: is `1` in quotes, expected a number\n"
                  "t.yaml:7:9: il[1]: is `x`, expected an integer\n"
                  "t.yaml:7:12: il[2]: is 99, allowed is 1 to 10\n"
                  "t.yaml:8:5: fl: is `2`, expected a list of numbers\n    write [2]\n"
                  "t.yaml:6:3: sub.g: unknown key\n    known here: i, f\n"
                  "t.yaml:9:1: flga: unknown key\n"
                  "    did you mean `flag` (true or false, default true)?\n"
                  "t.yaml:10:1: f: unknown key\n"
                  "    did you mean `sub.f` (number, 0 to 1, default 0.1)?\n");
    stele__spec_doc_destroy(doc);
}

static void later_complaints_find_their_line(void **state)
{
    (void)state;
    stele__diag diag;
    stele__config *config = NULL;
    stele__spec_doc *doc = parse("m:\n  sub: {i: 2}\n", &diag);
    stele__node *m = stele__node_find(stele__spec_doc_root(doc), "m");
    assert_int_equal(stele__config_create(&TABLE, sizeof(block), m, "t", &config, &diag), STELE_OK);
    stele__config_error(config, STELE_E_OPTION, "sub.i: must be odd", &diag);
    stele__config_error(config, STELE_E_OPTION, "fl: too short", &diag);
    stele__config_error(config, STELE_E_SHAPE, "nothing fits: at all", &diag);
    expect(&diag, "t.yaml:2:12: m.sub.i: must be odd\n"
                  "t.yaml:1:1: m.fl: too short\n"
                  "t.yaml:1:1: m: nothing fits: at all\n");
    stele__config_destroy(config);
    stele__spec_doc_destroy(doc);
}

static void tables_of_strangers_are_checked(void **state)
{
    (void)state;
    struct wide {
        stele_option row;
        uint64_t more;
    } rows[2] = { { .row = STELE_OPTION_I64(block, i, "i", 4, 0, 9, "I.") },
                  { .row = STELE_OPTION_F64(block, f, "f", 0.5, 0, 0, "F.") } };
    stele__table table = { .option = &rows[0].row, .n = 2, .stride = sizeof rows[0] };
    stele__diag diag;
    stele__config *config = NULL;
    stele__spec_doc *doc = parse("{f: 2}", &diag);
    stele__node *root = stele__spec_doc_root(doc);
    assert_int_equal(stele__config_create(&table, sizeof(block), root, "t", &config, &diag),
                     STELE_OK);
    const block *b = stele__config_values(config);
    assert_true(b->i == 4 && b->f == 2.0);
    stele__config_destroy(config);
    assert_int_equal(stele__table_check(&table, 8, "t", &diag), STELE_E_ABI);
    rows[1].row.type = 99;
    assert_int_equal(stele__config_create(&table, sizeof(block), root, "t", &config, &diag),
                     STELE_E_ABI);
    assert_string_equal(diag.message[1].text,
                        "t: option 1 (`f`) has a type that this host does not know");
    stele__diag_finish(&diag);
    stele__spec_doc_destroy(doc);
}

#define SPEC                                                                                       \
    "stele: 1\nseed: 3\ndata: {source: src, path: x.dat, missing: {a: 0.3}}\n"                     \
    "modalities:\n  a: {plugin: pa, sub: {i: 2}, features: {min_rows: 3}}\n"                       \
    "  b: {plugin: pb, weight: 2, from: z, decoder: {covariates: [u]}}\n"                          \
    "fusion: join\nheads: {h: {plugin: ph, target: t}}\n"                                          \
    "objective: {subsets: all+single+random:2, beta: {to: 0.1, steps: 7}}\n"                       \
    "train: {optimiser: {lr: 1e-5}}\nevaluate: [e1, {e2: {k: 1}}]\n"

static stele__spec *read_spec(const char *text, stele__diag *diag)
{
    stele__spec *spec = NULL;
    stele__spec_doc *doc = parse(text, diag);
    assert_non_null(doc);
    assert_int_equal(stele__spec_create(doc, &spec, diag), STELE_OK);
    for (size_t i = 0; i < spec->n_modalities; i++) {
        assert_int_equal(
            stele__instance_apply(&spec->modality[i], &TABLE, sizeof(block), "t", diag), STELE_OK);
    }
    stele__node_use_all(stele__node_find(stele__spec_doc_root(spec->doc), "data"));
    for (size_t i = 0; i < spec->n_evaluate; i++) {
        stele__node_use_all(spec->evaluate[i].node);
    }
    return spec;
}

static void sections_become_plain_members(void **state)
{
    (void)state;
    stele__diag diag;
    stele__spec *s = read_spec(SPEC, &diag);
    assert_int_equal(stele__spec_finish(s, &diag), STELE_OK);
    assert_string_equal(s->top->name, "t");
    assert_string_equal(s->output->dir, "runs/t");
    assert_true(s->top->seed == 3 && s->n_missing == 1 && s->missing[0].fraction == 0.3);
    assert_true(s->n_sources == 1 && s->n_modalities == 2 && s->n_heads == 1);
    assert_string_equal(s->source[0].plugin, "src");
    assert_string_equal(s->modality[1].name, "b");
    assert_string_equal(stele__modality_host(&s->modality[0])->from, "a");
    assert_true(stele__modality_host(&s->modality[0])->min_rows == 3);
    assert_string_equal(stele__modality_host(&s->modality[1])->decoder.covariates.v[0], "u");
    assert_true(stele__modality_host(&s->modality[1])->encoder.covariates.n == 0);
    assert_true(stele__modality_host(&s->modality[1])->weight == 2.0);
    assert_string_equal(s->fusion.plugin, "join");
    assert_string_equal(stele__head_host(&s->head[0])->target.v[0], "t");
    assert_true(s->objective->single == 1 && s->objective->n_random == 2);
    assert_true(s->objective->beta.to == 0.1 && s->objective->beta.steps == 7);
    assert_true(s->train->optimiser.lr == 1e-5 && s->train->optimiser.betas.v[1] == 0.999);
    assert_true(s->n_evaluate == 2);
    assert_string_equal(s->evaluate[1].name, "e2");
    assert_true(((const block *)stele__config_values(s->modality[0].config))->i == 2);
    stele__spec_error(s, "train.batch_size", STELE_E_DATA, "too large", &diag);
    stele__spec_error(s, "train.optimiser.lr", STELE_E_DATA, "too small", &diag);
    expect(&diag, "t.yaml:10:1: train.batch_size: too large\n"
                  "t.yaml:10:25: train.optimiser.lr: too small\n");
    stele__spec_destroy(s);
}

static void resolved_spec_reads_back_as_itself(void **state)
{
    (void)state;
    stele__diag diag;
    stele__str first, second;
    stele__str_init(&first);
    stele__str_init(&second);
    stele__spec *s = read_spec(SPEC, &diag);
    assert_int_equal(stele__spec_resolve(s, &first), STELE_OK);
    stele__spec_destroy(s);
    s = read_spec(first.data, &diag);
    assert_int_equal(stele__spec_finish(s, &diag), STELE_OK);
    assert_true(s->train->optimiser.lr == 1e-5 && s->objective->beta.to == 0.1);
    assert_int_equal(stele__spec_resolve(s, &second), STELE_OK);
    assert_string_equal(first.data, second.data);
    assert_non_null(strstr(first.data, "      i: 2\n      f: 0.1\n")); /* given, default */
    assert_null(strstr(first.data, " old:"));
    stele__spec_destroy(s);
    stele__str_finish(&first);
    stele__str_finish(&second);
    stele__diag_finish(&diag);
}

static void set_reaches_every_level(void **state)
{
    (void)state;
    stele__diag diag;
    stele__spec_doc *doc = parse("a: {b: 1}\nc: x\nfusion: f\n", &diag);
    assert_int_equal(stele__spec_doc_set(doc, "a.b=[1, 2]", &diag), STELE_OK);
    assert_int_equal(stele__spec_doc_set(doc, "n.e.w={k: v}", &diag), STELE_OK);
    assert_int_equal(stele__spec_doc_set(doc, "c=null", &diag), STELE_OK);
    assert_int_equal(stele__spec_doc_set(doc, "fusion.k=1", &diag), STELE_OK);
    stele__node *root = stele__spec_doc_root(doc);
    stele__node *fusion = stele__node_find(root, "fusion"); /* was short for {plugin: f} */
    assert_string_equal(stele__node_find(fusion, "plugin")->text, "f");
    assert_string_equal(stele__node_find(fusion, "k")->text, "1");
    assert_int_equal(stele__node_find(stele__node_find(root, "a"), "b")->n, 2);
    assert_true(stele__node_is_null(stele__node_find(root, "c")));
    stele__node *w = stele__node_find(stele__node_find(stele__node_find(root, "n"), "e"), "w");
    stele__node_error(stele__node_find(w, "k"), STELE_E_OPTION, &diag, "bad");
    assert_int_equal(stele__spec_doc_set(doc, "a.b.c=1", &diag), STELE_E_OPTION);
    assert_int_equal(stele__spec_doc_set(doc, "oops", &diag), STELE_E_OPTION);
    expect(&diag, "--set n.e.w={k: v}: n.e.w.k: bad\n"
                  "--set a.b.c=1: a.b: is a list, not a mapping with keys\n"
                  "--set oops: expected KEY=VALUE\n"
                  "    for example --set train.epochs=10\n");
    stele__spec_doc_destroy(doc);
}

static void help_markdown_and_schema_come_from_the_rows(void **state)
{
    (void)state;
    stele__str s;
    json_t *object = json_object();
    stele__str_init(&s);
    stele__table_help(&TABLE, 0, &s);
    assert_non_null(
        strstr(s.data, "  sub.i   integer, 1 to 10, default 3\n          An integer.\n"));
    assert_null(strstr(s.data, "old"));
    stele__str_finish(&s);
    stele__table_markdown(&TABLE, &s);
    assert_non_null(
        strstr(s.data, "| `il` | list of integers | 1 to 10 | `[7, 8]` |  | Integers. |"));
    stele__str_finish(&s);
    assert_int_equal(stele__table_schema(&TABLE, object), STELE_OK);
    json_t *properties = json_object_get(object, "properties");
    json_t *i =
        json_object_get(json_object_get(json_object_get(properties, "sub"), "properties"), "i");
    assert_int_equal(json_integer_value(json_object_get(i, "maximum")), 10);
    json_t *il = json_object_get(properties, "il");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(il, "default"), 1)), 8);
    json_decref(object);
    stele__schema_plugin plugins[] = { { STELE_MODALITY, "pa", "A plugin.", TABLE },
                                       { STELE_SOURCE, "src", "A source.", { 0 } } };
    assert_int_equal(stele__schema_create(plugins, 2, &object), STELE_OK);
    json_t *body = json_object_get(json_object_get(object, "definitions"), "modality-pa");
    assert_non_null(json_object_get(json_object_get(body, "properties"), "weight")); /* host's */
    assert_non_null(json_object_get(json_object_get(body, "properties"), "flag"));   /* plugin's */
    json_decref(object);
}

/* Every allocation fails once: the answer is STELE_E_NOMEM or an error, and nothing leaks. */
static void survives_lack_of_memory(void **state)
{
    (void)state;
    uint64_t n_made = 0;
    for (int64_t n = -1; n < (int64_t)n_made; n++) { /* -1: nothing fails, to count */
        stele__diag diag;
        stele__spec_doc *doc = NULL;
        stele__spec *spec = NULL;
        stele__str out;
        stele__diag_init(&diag);
        stele__str_init(&out);
        uint64_t before = stele__mem_count();
        stele__mem_fail_at(n);
        stele_status status =
            stele__spec_doc_parse(SPEC, strlen(SPEC), "t.yaml", NULL, &doc, &diag);
        status = status == STELE_OK ? stele__spec_create(doc, &spec, &diag) : status;
        status = status == STELE_OK ? stele__spec_resolve(spec, &out) : status;
        stele__mem_fail_at(-1);
        n_made = n < 0 ? stele__mem_count() - before : n_made;
        if (status == STELE_OK) {
            assert_int_equal(diag.n_errors, 0); /* nothing but a hint was lost */
        } else {
            assert_true(status == STELE_E_NOMEM || diag.n_errors > 0);
        }
        stele__str_finish(&out);
        stele__spec_destroy(spec);
        stele__diag_finish(&diag);
    }
    assert_true(n_made > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_follow_yaml),
        cmocka_unit_test(doubles_round_trip_in_any_locale),
        cmocka_unit_test(merge_keys_fill_gaps_only),
        cmocka_unit_test(aliases_do_not_explode),
        cmocka_unit_test(all_duplicates_are_reported),
        cmocka_unit_test(defaults_and_values_arrive),
        cmocka_unit_test(every_bad_value_is_reported_at_its_place),
        cmocka_unit_test(later_complaints_find_their_line),
        cmocka_unit_test(tables_of_strangers_are_checked),
        cmocka_unit_test(sections_become_plain_members),
        cmocka_unit_test(resolved_spec_reads_back_as_itself),
        cmocka_unit_test(set_reaches_every_level),
        cmocka_unit_test(help_markdown_and_schema_come_from_the_rows),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
