#include "plugin/preload.h"

#include <stdio.h>
#include <string.h>

stele_status stele__preload_start(const lt_dlsymlist *table, stele__diag *diag)
{
    if (lt_dlinit() != 0 || (table != NULL && lt_dlpreload(table) != 0)) {
        return stele__diag_error(diag, STELE_E_INTERNAL, NULL, "built-in plugins: %s",
                                 lt_dlerror());
    }
    return STELE_OK;
}

void stele__preload_end(void)
{
    lt_dlexit();
}

uint32_t stele__preload_entry(const lt_dlsymlist *table, size_t i, const char **ret_name,
                              size_t *ret_len)
{
    /* The first row names the program; a plugin's row ends in ".a" and has no address. */
    for (const lt_dlsymlist *row = table; row != NULL && row->name != NULL; row++) {
        size_t len = strlen(row->name);
        const char *underscore = strchr(row->name, '_');
        if (row->address != NULL || len < 3 || strcmp(row->name + len - 2, ".a") != 0 ||
            underscore == NULL || i-- != 0) {
            continue;
        }
        *ret_name = underscore + 1;
        *ret_len = len - 2 - (size_t)(*ret_name - row->name);
        return stele__kind_of(row->name, (size_t)(underscore - row->name));
    }
    return 0;
}

stele_status stele__preload_open(const lt_dlsymlist *table, uint32_t kind, const char *name,
                                 stele__library **ret, stele__diag *diag)
{
    const char *entry = NULL;
    size_t len = 0;
    *ret = NULL;
    for (size_t i = 0;; i++) {
        uint32_t k = stele__preload_entry(table, i, &entry, &len);
        if (k == 0) {
            return STELE_OK;
        }
        if (k == kind && strlen(name) == len && memcmp(entry, name, len) == 0) {
            break;
        }
    }
    char module[128];
    snprintf(module, sizeof module, "%s_%s.a", stele__kind_name(kind), name);
    lt_dlhandle handle = lt_dlopen(module);
    void *symbol = handle != NULL ? lt_dlsym(handle, "stele_plugin_query") : NULL;
    if (symbol == NULL) {
        return stele__diag_error(diag, STELE_E_ABI, NULL, STELE__BUILT_IN " %s/%s: cannot load: %s",
                                 stele__kind_name(kind), name, lt_dlerror());
    }
    stele_plugin_query_fn *query = NULL;
    memcpy(&query, &symbol, sizeof query);
    return stele__library_accept(query, STELE__BUILT_IN, name, ret, diag);
}
