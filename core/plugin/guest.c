#include "plugin/guest.h"

#include "base/mem.h"
#include "plugin/crash.h"
#include "plugin/environment.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct stele__guest {
    const stele__plugin *plugin;
    char *name;
    const stele__config *config;
    const stele__log *log;
    stele_inst *inst;
    stele_host host;
    pthread_mutex_t lock;           /* of log and warned */
    stele__environment environment; /* as it was before the plugin ran */
    int warned;                     /* that it changed the environment */
    stele__culprit culprit;         /* what is said if it crashes */
};

/* What was said last on this thread, and by whom. Everything a plugin says is picked up by the end
 * of the call in which it was said. */
static _Thread_local struct {
    const stele__guest *speaker;
    stele__said said;
} heard;

/* A warning as one of the program's own: with its place in the spec and its path, those of the
 * option that it begins with if it begins with one. NULL: there is no spec. Freed by the caller. */
static char *warning_of(const stele__guest *guest, const char *text)
{
    stele__diag diag;
    char *line = NULL;
    stele__diag_init(&diag);
    if (guest->config != NULL) {
        (void)stele__config_error(guest->config, STELE_OK, text, &diag);
    }
    if (diag.n > 0) {
        diag.message[0].severity = STELE__WARNING;
        line = stele__message_format(&diag.message[0], &line) == STELE_OK ? line : NULL;
    }
    if (line != NULL) {
        line[strcspn(line, "\n")] = '\0';
    }
    stele__diag_finish(&diag);
    return line;
}

/* The guest's lock is held. */
static void write_line(const stele__guest *guest, int32_t level, const char *text)
{
    char *line = level == STELE_LOG_WARNING ? warning_of(guest, text) : NULL;
    guest->log->write(guest->log->user, level, line == NULL ? guest->name : NULL,
                      line != NULL ? line : text);
    stele__free(line);
}

static void host_log(const stele_host *h, int32_t level, const char *fmt, ...) STELE_PRINTF(3, 4);
static void host_log(const stele_host *h, int32_t level, const char *fmt, ...)
{
    stele__guest *guest = h->self;
    char text[sizeof heard.said.text];
    if (guest->log == NULL) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pthread_mutex_lock(&guest->lock);
    write_line(guest, level, text);
    pthread_mutex_unlock(&guest->lock);
}

static stele_status host_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...) STELE_PRINTF(4, 5);
static stele_status host_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...)
{
    stele__said *said = &heard.said;
    /* The first message is nearest to the cause; those of the callers above only repeat it. */
    if (code != STELE_OK && (heard.speaker != h->self || said->code == STELE_OK)) {
        const char *slash = where != NULL ? strrchr(where, '/') : NULL;
        const char *base = slash != NULL ? slash + 1 : where != NULL ? where : "";
        va_list args;
        heard.speaker = h->self;
        said->code = code;
        snprintf(said->where, sizeof said->where, "%s", base);
        va_start(args, fmt);
        vsnprintf(said->text, sizeof said->text, fmt, args);
        va_end(args);
    }
    return code;
}

static const void *host_extension(const stele_host *h, const char *id)
{
    (void)h;
    (void)id;
    return NULL;
}

/* The message of a crash is that of any failure, with the hint that the file can be looked into. */
static stele_status prepare_culprit(stele__guest *guest)
{
    const char *origin = guest->plugin->origin;
    stele__diag diag;
    stele__diag_init(&diag);
    stele__guest_report(guest, STELE_E_INTERNAL, STELE__CULPRIT_MARK, "", "", &diag);
    if (origin != NULL && strcmp(origin, STELE__BUILT_IN) != 0) {
        stele__diag_hint(&diag, "in %s; to look into it: stele-check %s", origin, origin);
    }
    stele_status status = stele__culprit_init(&guest->culprit, &diag);
    stele__diag_finish(&diag);
    return status;
}

stele_status stele__guest_create(const stele__plugin *plugin, const char *name,
                                 const stele__config *config, const stele__host_tables *tables,
                                 const stele__log *log, stele__guest **ret)
{
    stele__guest *guest = stele__calloc(1, sizeof *guest);
    char *copy = stele__strdup(name);
    if (guest == NULL || copy == NULL) {
        stele__free(guest);
        stele__free(copy);
        return STELE_E_NOMEM;
    }
    pthread_mutex_init(&guest->lock, NULL);
    stele__environment_save(&guest->environment);
    heard.said.code = STELE_OK; /* of another guest at the same address */
    guest->plugin = plugin;
    guest->name = copy;
    guest->config = config;
    guest->log = log;
    guest->host = (stele_host){ .struct_size = sizeof guest->host,
                                .abi_major = STELE_ABI_MAJOR,
                                .abi_minor = STELE_ABI_MINOR,
                                .self = guest,
                                .ops = tables->ops,
                                .vec = tables->vec,
                                .build = tables->build,
                                .fit = tables->fit,
                                .log = host_log,
                                .fail = host_fail,
                                .extension = host_extension };
    if (prepare_culprit(guest) != STELE_OK) {
        stele__guest_destroy(guest);
        return STELE_E_NOMEM;
    }
    *ret = guest;
    return STELE_OK;
}

void stele__guest_destroy(stele__guest *guest)
{
    if (guest == NULL) {
        return;
    }
    /* All kinds start with the same slots. */
    if (guest->inst != NULL) {
        stele__guest_begin(guest, "destroy");
        guest->plugin->vt.source.destroy(guest->inst);
        stele__guest_restore(guest, "destroy");
    }
    pthread_mutex_destroy(&guest->lock);
    stele__culprit_finish(&guest->culprit);
    stele__free(guest->name);
    stele__free(guest);
}

stele_status stele__guest_start(stele__guest *guest, stele_create_args *args, stele__diag *diag)
{
    args->struct_size = sizeof *args;
    args->host = &guest->host;
    args->config = stele__config_values(guest->config);
    args->name = guest->name;
    stele_inst *inst = NULL;
    stele__guest_begin(guest, "create");
    stele_status status = guest->plugin->vt.source.create(args, &inst);
    if (status == STELE_OK && inst == NULL) {
        status = host_fail(&guest->host, STELE_E_INTERNAL, "", "create made no instance");
    }
    guest->inst = inst; /* to be destroyed, half-built or not */
    return stele__guest_check(guest, "create", status, diag);
}

const stele__plugin *stele__guest_plugin(const stele__guest *guest)
{
    return guest->plugin;
}

const char *stele__guest_name(const stele__guest *guest)
{
    return guest->name;
}

stele_inst *stele__guest_inst(const stele__guest *guest)
{
    return guest->inst;
}

const stele_host *stele__guest_host(const stele__guest *guest)
{
    return &guest->host;
}

static void warn(stele__guest *guest, const char *slot, const char *change)
{
    const stele_plugin *p = &guest->plugin->desc;
    char text[512];
    if (change == NULL || guest->log == NULL) {
        return;
    }
    int locale = strcmp(change, "the locale") == 0;
    snprintf(text, sizeof text, "%s %s: %s changed %s%s%s; restored", p->id, p->version, slot,
             locale ? "" : "the floating-point environment (", change, locale ? "" : ")");
    pthread_mutex_lock(&guest->lock);
    if (!guest->warned) {
        write_line(guest, STELE_LOG_WARNING, text);
    }
    guest->warned = 1;
    pthread_mutex_unlock(&guest->lock);
}

/* Hand over what was said about this failure. A plugin may have failed, recovered and succeeded; or
 * said one thing and returned another: what it returned is what happened, the words are still the
 * best that there are. */
static void pick_up(const stele__guest *guest, stele_status status, stele__said *ret)
{
    if (ret != NULL) {
        ret->code = STELE_OK;
        if (status != STELE_OK && heard.speaker == guest && heard.said.code != STELE_OK) {
            *ret = heard.said;
            ret->code = status;
        }
    }
    heard.said.code = STELE_OK;
}

void stele__guest_begin(const stele__guest *guest, const char *slot)
{
    if (guest != NULL) {
        stele__crash_enter(&guest->culprit, slot);
    }
}

void stele__guest_restore(stele__guest *guest, const char *slot)
{
    stele__crash_leave();
    if (guest != NULL) {
        warn(guest, slot, stele__environment_restore(&guest->environment));
    }
}

void stele__guest_end_block(stele__guest *guest, const char *slot, stele_status status,
                            stele__said *ret)
{
    stele__crash_leave();
    if (guest != NULL) {
        warn(guest, slot, stele__float_restore(&guest->environment));
    }
    pick_up(guest, status, ret);
}

void stele__guest_end(stele__guest *guest, const char *slot, stele_status status, stele__said *ret)
{
    stele__guest_restore(guest, slot);
    pick_up(guest, status, ret);
}

stele_status stele__guest_report(const stele__guest *guest, stele_status status, const char *text,
                                 const char *when, const char *hint, stele__diag *diag)
{
    const stele_plugin *p = &guest->plugin->desc;
    char whole[sizeof heard.said.text + 512];
    snprintf(whole, sizeof whole, "%s%s (%s %s)", text, when, p->id, p->version);
    if (guest->config != NULL) {
        stele__config_error(guest->config, status, whole, diag);
    } else {
        stele__diag_error(diag, status, NULL, "%s: %s", guest->name, whole);
    }
    if (hint[0] != '\0') {
        stele__diag_hint(diag, "%s", hint);
    }
    return status;
}

stele_status stele__guest_refusal(stele_status status)
{
    return status == STELE_E_SHAPE || status == STELE_E_UNSUPPORTED ? STELE_E_OPTION : status;
}

stele_status stele__guest_check(stele__guest *guest, const char *slot, stele_status status,
                                stele__diag *diag)
{
    stele__said said;
    char hint[sizeof said.where + 256] = "";
    stele__guest_end(guest, slot, status, &said);
    if (status == STELE_OK) {
        return STELE_OK;
    }
    if (said.code == STELE_OK) {
        snprintf(said.text, sizeof said.text, "%s failed: %s", slot, stele__status_text(status));
    } else if (said.where[0] != '\0') {
        snprintf(hint, sizeof hint, "in %s, said by %s", slot, said.where);
    }
    stele__guest_report(guest, stele__guest_refusal(status), said.text, "", hint, diag);
    return status;
}
