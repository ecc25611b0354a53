#include "train/room.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

/* A key of the spec and what is built by it. Parameters are named after it: "heart.encoder.weight"
 * belongs to the key `encoder` of the instance `heart`, if that has such a key. */
typedef struct piece {
    const stele__instance *instance;
    const char *section; /* of the instance: "modalities.heart" is its place in the spec */
    const char *name;    /* of one of its parameters */
    size_t n;            /* how far that names the piece */
    double bytes;
} piece;

static int is_in(const char *scope, const char *name)
{
    size_t n = strlen(scope);
    return strncmp(name, scope, n) == 0 && name[n] == '.';
}

/* The piece that parameter `name` is of. */
static piece piece_of(const stele__spec *spec, const stele__model *m, const char *name)
{
    piece p = { .instance = &spec->fusion, .section = "", .name = name };
    const char *scope = m->fusion.scope.name;
    for (uint32_t i = 0; i < m->n_modalities; i++) {
        if (is_in(m->modality[i].name, name)) {
            scope = m->modality[i].name;
            p.section = "modalities.";
            p.instance = &spec->modality[i];
        }
    }
    for (uint32_t i = 0; i < m->n_heads; i++) {
        if (is_in(m->head[i].name, name)) {
            scope = m->head[i].name;
            p.instance = &spec->head[i];
        }
    }
    p.n = strlen(scope);
    size_t n = strcspn(name + p.n + 1, ".");
    char *key = stele__strndup(name + p.n + 1, n);
    if (key != NULL && stele__node_find(p.instance->node, key) != NULL) {
        p.n += 1 + n;
    }
    stele__free(key);
    return p;
}

static int same_piece(const piece *a, const piece *b)
{
    return a->n == b->n && strncmp(a->name, b->name, a->n) == 0;
}

/* The piece that takes most. */
static piece largest(const stele__spec *spec, const stele__model *m, int training)
{
    piece most = { 0 };
    uint32_t n = stele__params_count(m->params);
    for (uint32_t i = 0; i < n; i++) {
        piece p = piece_of(spec, m, stele__params_entry(m->params, i)->name);
        for (uint32_t k = 0; k < n; k++) {
            piece other = piece_of(spec, m, stele__params_entry(m->params, k)->name);
            if (same_piece(&p, &other)) {
                p.bytes += stele__params_entry_bytes(m->params, k, training);
            }
        }
        most = p.bytes > most.bytes ? p : most;
    }
    return most;
}

static const double gigabyte = 1e9;

double stele__room_needed(const stele__model *m, int training)
{
    double bytes = 0.0;
    for (uint32_t i = 0; i < stele__params_count(m->params); i++) {
        bytes += stele__params_entry_bytes(m->params, i, training);
    }
    return bytes;
}

stele_status stele__room_check(const stele__spec *spec, const stele__model *m, int training,
                               double available, stele__diag *diag)
{
    double bytes = stele__room_needed(m, training), n = 0.0;
    for (uint32_t i = 0; i < stele__params_count(m->params); i++) {
        n += (double)stele__params_entry(m->params, i)->n;
    }
    if (bytes <= available) {
        return STELE_OK;
    }
    piece most = largest(spec, m, training);
    stele__str path, text;
    stele__str_init(&path);
    stele__str_init(&text);
    stele__str_printf(&path, "%s%.*s", most.section, (int)most.n, most.name);
    stele__str_printf(&text,
                      "the model does not fit into memory: its %.0f parameters need %.1f GB%s, "
                      "%.1f GB are available; %.0f %% of that is needed here",
                      n, bytes / gigabyte, training ? " with their derivatives and moments" : "",
                      available / gigabyte, 100.0 * most.bytes / bytes);
    stele_status status = STELE_E_NOMEM;
    if (!path.failed && !text.failed) {
        status = stele__spec_error(spec, path.data, STELE_E_OPTION, text.data, diag);
        stele__diag_hint(diag, "make it narrower, or keep fewer features");
    }
    stele__str_finish(&path);
    stele__str_finish(&text);
    return status;
}
