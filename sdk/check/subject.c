/* From what the command line names to the plugins in it. */
#include "base/child.h"
#include "check.h"
#include "cli/preload_table.h"
#include "plugin/preload.h"
#include "plugin/trust.h"
#include "spec/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first error, and what to do about it where `hint` is set. */
static void first_message(const stele__diag *diag, stele_status status, int hint, char *why, size_t size)
{
    for (size_t i = 0; i < diag->n; i++) {
        const stele__message *m = &diag->message[i];
        if (m->severity == STELE__ERROR) {
            hint = hint && m->hint != NULL;
            snprintf(why, size, "%s%s%s", m->text, hint ? "; " : "", hint ? m->hint : "");
            return;
        }
    }
    snprintf(why, size, "%s", stele__status_text(status));
}

static stele_status open_preloaded(const check_subject *s, stele__library **ret, stele__diag *diag)
{
    const char *slash = strchr(s->name, '/');
    uint32_t kind = slash != NULL ? stele__kind_of(s->name, (size_t)(slash - s->name)) : 0;
    if (kind == 0) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: neither a file nor KIND/NAME of a plugin linked in",
                                 s->name);
    }
    stele_status status = stele__preload_start(stele__preload_table, diag);
    if (status == STELE_OK) {
        status = stele__preload_open(stele__preload_table, kind, slash + 1, ret, diag);
    }
    if (status == STELE_OK && *ret == NULL) {
        status = stele__diag_error(diag, STELE_E_ARG, NULL, "%s: is not linked into this program", s->name);
    }
    return status;
}

int check_settings(const check_subject *s, char *why, size_t size)
{
    struct stele__spec_doc *doc = NULL;
    stele__diag diag;
    stele__diag_init(&diag);
    snprintf(why, size, "out of memory");
    stele_status status = stele__spec_doc_create(&doc);
    for (size_t i = 0; status == STELE_OK && i < s->n_options; i++) {
        status = stele__spec_doc_set_as(doc, s->option[i], s->option[i], &diag);
        if (status != STELE_OK) {
            char text[512];
            first_message(&diag, status, 0, text, sizeof text);
            snprintf(why, size, "`%s`: %s", s->option[i], text);
        }
    }
    stele__spec_doc_destroy(doc);
    stele__diag_finish(&diag);
    return status == STELE_OK;
}

int check_trust(const check_subject *s, char *why, size_t size)
{
    stele__diag diag;
    stele__diag_init(&diag);
    stele_status status = stele__file_trust(s->file, s->allow_unsafe, &diag);
    if (status != STELE_OK) {
        first_message(&diag, status, 1, why, size);
    } else {
        snprintf(why, size, "%s", diag.n > 0 ? diag.message[0].text : "");
    }
    stele__diag_finish(&diag);
    return status == STELE_OK;
}

int check_open(const check_subject *s, stele__library **ret, char *why, size_t size)
{
    stele__diag diag;
    stele__diag_init(&diag);
    snprintf(why, size, "has no such plugin");
    stele_status status = s->file != NULL ? stele__library_open(s->file, s->allow_unsafe, NULL, ret, &diag)
                                          : open_preloaded(s, ret, &diag);
    if (status != STELE_OK) {
        first_message(&diag, status, 1, why, size);
    }
    stele__diag_finish(&diag);
    return status == STELE_OK;
}

typedef struct scanned {
    uint32_t n, refused;
    char why[1024];
    uint8_t known[CHECK_MOST_SETTINGS]; /* which of the subject's `unseen` are options */
    check_found found[CHECK_MOST_FOUND];
} scanned;

/* The first option that needs a value and has none. */
static void find_missing(const check_subject *s, const stele_plugin *p, char *ret, size_t size)
{
    for (uint32_t i = 0; i < p->n_options; i++) {
        const char *name = p->options[i].name;
        int given = (p->options[i].flags & STELE_OPT_REQUIRED) == 0;
        for (size_t k = 0; k < s->n_options; k++) {
            given = given || (strncmp(s->option[k], name, strlen(name)) == 0 && s->option[k][strlen(name)] == '=');
        }
        if (!given) {
            snprintf(ret, size, "%s", name);
            return;
        }
    }
}

static void find_known(const check_subject *s, const stele_plugin *p, uint8_t *ret)
{
    for (uint32_t i = 0; i < p->n_options; i++) {
        for (size_t k = 0; k < s->n_unseen; k++) {
            ret[k] = ret[k] || strcmp(s->unseen[k], p->options[i].name) == 0;
        }
    }
}

static void scan_here(const check_subject *s, scanned *ret)
{
    stele__library *library = NULL;
    memset(ret, 0, sizeof *ret);
    if (!check_open(s, &library, ret->why, sizeof ret->why)) {
        ret->refused = 1;
        return;
    }
    for (size_t i = 0; i < library->n && i < CHECK_MOST_FOUND; i++) {
        const stele_plugin *p = &library->plugin[i].desc;
        check_found *f = &ret->found[ret->n++];
        f->kind = p->kind;
        f->caps = p->caps & STELE_CAP_KNOWN;
        if (p->kind == STELE_MODALITY) {
            f->caps |= library->plugin[i].vt.modality.decode != NULL ? CHECK_HAS_BLOCKS : CHECK_HAS_LOG_PROB;
            f->caps |= library->plugin[i].vt.modality.absent != NULL ? CHECK_HAS_ABSENT : 0;
            f->caps |= library->plugin[i].vt.modality.sees != NULL ? CHECK_HAS_SEES : 0;
            f->caps |= library->plugin[i].vt.modality.prepare != NULL ? CHECK_HAS_PREPARE : 0;
            f->caps |= library->plugin[i].vt.modality.tally != NULL ? CHECK_HAS_TALLY : 0;
            f->caps |= library->plugin[i].vt.modality.validate != NULL ? CHECK_HAS_VALIDATE : 0;
        }
        const int fits = p->kind == STELE_MODALITY ? library->plugin[i].vt.modality.fit != NULL
                         : p->kind == STELE_HEAD   ? library->plugin[i].vt.head.fit != NULL
                                                   : 0;
        f->caps |= fits ? CHECK_HAS_FIT : 0;
        if (p->kind == STELE_FUSION) {
            f->caps |= library->plugin[i].vt.fusion.loss != NULL ? CHECK_HAS_LOSS : 0;
        }
        if (p->kind == STELE_HEAD) {
            const stele_head_vt *head = &library->plugin[i].vt.head;
            f->caps |= head->outputs != NULL || head->show != NULL ? CHECK_HAS_OUTPUTS : 0;
            f->caps |= head->log_prob != NULL ? CHECK_HAS_LOG_PROB : 0;
            f->caps |= head->validate != NULL ? CHECK_HAS_VALIDATE : 0;
            f->caps |= head->calibrate != NULL ? CHECK_HAS_CALIBRATE : 0;
        }
        snprintf(f->id, sizeof f->id, "%s", p->id);
        snprintf(f->version, sizeof f->version, "%s", p->version);
        find_missing(s, p, f->wants, sizeof f->wants);
        find_known(s, p, ret->known);
    }
    stele__library_destroy(library);
}

int check_scan(const check_subject *s, check_found ret[CHECK_MOST_FOUND], uint8_t ret_known[CHECK_MOST_SETTINGS],
               char *why, size_t size)
{
    static scanned answer;
    stele__child c;
    fflush(NULL);
    if (s->in_process) {
        scan_here(s, &answer);
    } else if (stele__child_start(&c) == 0) {
        check_hush();
        scan_here(s, &answer);
        _exit(stele__child_say(&c, &answer, sizeof answer) != 0);
    } else if (c.pid < 0) {
        snprintf(why, size, "no process: %s", strerror(errno));
        return -1;
    } else if (!stele__child_hear(&c, s->timeout, &answer, sizeof answer) || c.n != sizeof answer) {
        snprintf(why, size, "crashed or hung while it was loaded");
        return -1;
    }
    if (answer.refused) {
        snprintf(why, size, "%s", answer.why);
        return -1;
    }
    memcpy(ret, answer.found, sizeof answer.found);
    memcpy(ret_known, answer.known, sizeof answer.known);
    return (int)answer.n;
}
