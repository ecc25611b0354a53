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
 * is the guest's name, level STELE_LOG_*. */
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

/* After a call of `slot` ("encode") gave `status`: STELE_OK passes silently. Otherwise report what
 * the plugin said about it, or the status's own text if it said nothing, and return `status`.
 * "width: must be even", where width is an option, is reported at its line of the spec. What was
 * said is forgotten. Any thread, with a diag of its own. */
stele_status stele__guest_check(stele__guest *guest, const char *slot, stele_status status,
                                stele__diag *diag);

#endif
