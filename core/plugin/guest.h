/* guest.h - an instance of a plugin at run time, with what the host keeps for it: the stele_host it
 * talks to, and what it said. */
#ifndef STELE_PLUGIN_GUEST_H
#define STELE_PLUGIN_GUEST_H

#include "plugin/loader.h"
#include "spec/options.h"

/* The services that a guest gets, filled by a higher room. They outlive the guest. */
typedef struct stele__host_tables {
    const stele_ops *ops;
    const stele_vec *vec;
    const stele_build_api *build;
    const stele_fit_api *fit;
} stele__host_tables;

/* Where log lines go, from any thread; lines of different guests may come at the same time. `who`
 * is the guest's name, NULL of a warning that has its place and path in its text; level
 * STELE_LOG_*. */
typedef struct stele__log {
    void (*write)(void *user, int32_t level, const char *who, const char *text);
    void *user;
} stele__log;

typedef struct stele__guest stele__guest;

/* `name` as in the spec ("fusion"), copied; `config` holds the plugin's options (see use.h); log
 * may be NULL: lines are dropped. All but `name` outlive the guest. Nothing of the plugin runs. */
STELE_NODISCARD stele_status stele__guest_create(const stele__plugin *plugin, const char *name,
                                                 const stele__config *config,
                                                 const stele__host_tables *tables,
                                                 const stele__log *log, stele__guest **ret);
/* Destroys the plugin's instance too. NULL is legal. Main thread. */
void stele__guest_destroy(stele__guest *guest);

/* The plugin's create(). Of `args` the caller fills what is its own business; struct_size, host,
 * config and name are filled here. Main thread. */
STELE_NODISCARD stele_status stele__guest_start(stele__guest *guest, stele_create_args *args,
                                                stele__diag *diag);

const stele__plugin *stele__guest_plugin(const stele__guest *guest);
const char *stele__guest_name(const stele__guest *guest);
/* What the plugin's create() made; NULL before start. */
stele_inst *stele__guest_inst(const stele__guest *guest);
const stele_host *stele__guest_host(const stele__guest *guest);

/* What a plugin said about a failure through STELE_FAIL. Fixed buffers: memory may be what it ran
 * out of. */
typedef struct stele__said {
    stele_status code; /* STELE_OK: nothing */
    char where[128];   /* file:line in the plugin's source, without folders; may be "" */
    char text[1024];
} stele__said;

/* A call of `slot` ("encode") follows, on the calling thread; one of the three below ends it.
 * Should the plugin crash meanwhile, it is named (crash.h). `slot` is static text. NULL is legal.
 * [any] */
void stele__guest_begin(const stele__guest *guest, const char *slot);
/* A call of `slot` has ended with `status`, on the calling thread. What the plugin said
 * about this failure goes to *ret (may be NULL) and is forgotten: words belong to the thread on
 * which they were said, so that every failing call has its own, whatever other threads do. What the
 * plugin changed of the processor's state and the locale is put back; the first time a warning in
 * the log names it. NULL is legal and says nothing. [any] */
void stele__guest_end(stele__guest *guest, const char *slot, stele_status status, stele__said *ret);
/* The same for the inner loops, which look at the processor's state alone. [any] */
void stele__guest_end_block(stele__guest *guest, const char *slot, stele_status status,
                            stele__said *ret);
/* Only put back, after calls that cannot fail and where code of the plugin ran in the middle of
 * something else. [any] */
void stele__guest_restore(stele__guest *guest, const char *slot);

/* stele__guest_end and a report: STELE_OK passes silently, otherwise what the plugin said, or the
 * status's own text if it said nothing. Returns `status`. [any], with a diag of its own */
stele_status stele__guest_check(stele__guest *guest, const char *slot, stele_status status,
                                stele__diag *diag);
/* What create and build cannot do with, a shape or something unsupported, is a combination that the
 * spec asks for: the same status, or STELE_E_OPTION for these. */
stele_status stele__guest_refusal(stele_status status);
/* Report `text` at the section of the spec that named the plugin, with the plugin's id behind it.
 * "width: must be even", where width is an option, goes to the line of that option. `when`
 * (" at step 3") follows the text; hint "" is none. Returns `status`. */
stele_status stele__guest_report(const stele__guest *guest, stele_status status, const char *text,
                                 const char *when, const char *hint, stele__diag *diag);

#endif
