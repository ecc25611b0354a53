#include "plugin/guest.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_TEXT = 1024, LONGEST_PLACE = 128 };

struct stele__guest {
    const stele__plugin *plugin;
    char *name;
    const stele__config *config;
    const stele__log *log;
    stele_inst *inst;
    stele_host host;
    /* What the plugin said about a failure. A fixed buffer: memory may be what it ran out of. */
    pthread_mutex_t lock;
    stele_status said_code; /* STELE_OK: nothing was said */
    char said_where[LONGEST_PLACE], said_text[LONGEST_TEXT];
};

static void host_log(const stele_host *h, int32_t level, const char *fmt, ...) STELE_PRINTF(3, 4);
static void host_log(const stele_host *h, int32_t level, const char *fmt, ...)
{
    stele__guest *guest = h->self;
    char text[LONGEST_TEXT];
    if (guest->log == NULL) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pthread_mutex_lock(&guest->lock);
    guest->log->write(guest->log->user, level, guest->name, text);
    pthread_mutex_unlock(&guest->lock);
}

static stele_status host_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...) STELE_PRINTF(4, 5);
static stele_status host_fail(const stele_host *h, stele_status code, const char *where,
                              const char *fmt, ...)
{
    stele__guest *guest = h->self;
    va_list args;
    /* The first message is nearest to the cause; those of the callers above only repeat it. */
    pthread_mutex_lock(&guest->lock);
    if (guest->said_code == STELE_OK && code != STELE_OK) {
        guest->said_code = code;
        snprintf(guest->said_where, sizeof guest->said_where, "%s", where != NULL ? where : "");
        va_start(args, fmt);
        vsnprintf(guest->said_text, sizeof guest->said_text, fmt, args);
        va_end(args);
    }
    pthread_mutex_unlock(&guest->lock);
    return code;
}

static const void *host_extension(const stele_host *h, const char *id)
{
    (void)h;
    (void)id;
    return NULL;
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
        guest->plugin->vt.source.destroy(guest->inst);
    }
    pthread_mutex_destroy(&guest->lock);
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
    stele_status status = guest->plugin->vt.source.create(args, &inst);
    if (status == STELE_OK && inst == NULL) {
        status = host_fail(&guest->host, STELE_E_INTERNAL, "", "create made no instance");
    }
    if (status == STELE_OK) {
        guest->inst = inst;
    }
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

/* Mistakes that the user can mend need no place in the plugin's source; others are for its author.
 */
static int concerns_author(stele_status status)
{
    return status != STELE_E_OPTION && status != STELE_E_DATA && status != STELE_E_IO &&
           status != STELE_E_NOMEM && status != STELE_E_INTERRUPTED;
}

stele_status stele__guest_check(stele__guest *guest, const char *slot, stele_status status,
                                stele__diag *diag)
{
    const stele_plugin *p = &guest->plugin->desc;
    char text[LONGEST_TEXT + 256], where[LONGEST_PLACE];
    pthread_mutex_lock(&guest->lock);
    /* A plugin may have failed, recovered and succeeded; or said one thing and returned another. */
    if (guest->said_code == status && status != STELE_OK) {
        snprintf(text, sizeof text, "%s (%s %s)", guest->said_text, p->id, p->version);
        snprintf(where, sizeof where, "%s", guest->said_where);
    } else {
        snprintf(text, sizeof text, "%s failed: %s (%s %s)", slot, stele__status_text(status),
                 p->id, p->version);
        where[0] = '\0';
    }
    guest->said_code = STELE_OK;
    pthread_mutex_unlock(&guest->lock);
    if (status == STELE_OK) {
        return STELE_OK;
    }
    stele__config_error(guest->config, status, text, diag);
    if (where[0] != '\0' && concerns_author(status)) {
        const char *base = strrchr(where, '/');
        stele__diag_hint(diag, "in %s, said by %s", slot, base != NULL ? base + 1 : where);
    }
    return status;
}
