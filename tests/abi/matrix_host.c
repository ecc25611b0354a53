/* The host's side of the border, built against the present headers and against those of the next
 * version (HAS_NEWER): judges a plugin file as the program does, then creates an instance. Prints
 * the refusal, or what came over the border. */
#include "base/diag.h"
#include "plugin/loader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef HAS_NEWER
static int32_t host_newer(int32_t a)
{
    return a + 2;
}
#endif

static int show(const stele__plugin *p)
{
    stele_host host = { .struct_size = sizeof host,
                        .abi_major = STELE_ABI_MAJOR,
                        .abi_minor = STELE_ABI_MINOR,
#ifdef HAS_NEWER
                        .newer = host_newer
#endif
    };
    stele_create_args args = { .struct_size = sizeof args, .host = &host };
    stele_inst *inst = NULL;
    if (p->vt.fusion.create(&args, &inst) != STELE_OK) {
        return 1;
    }
    printf("components %u, options", p->vt.fusion.max_components(inst, 1));
    for (uint32_t i = 0; i < p->desc.n_options; i++) {
        printf(" %s=%d", p->option[i].name, (int)p->option[i].def.i);
    }
#ifdef HAS_NEWER
    if (p->vt.fusion.newer != NULL) {
        printf(", newer slot %d", (int)p->vt.fusion.newer(inst));
    } else {
        int clean = p->desc.newer == NULL && p->option[0].newer == NULL;
        printf(", no newer slot%s", clean ? "" : ", but garbage in newer members");
    }
#endif
    printf("\n");
    p->vt.fusion.destroy(inst);
    return 0;
}

int main(int argc, char **argv)
{
    stele__library *library = NULL;
    stele__diag diag;
    stele_plugin_query_fn *query = NULL;
    void *handle = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = handle != NULL ? dlsym(handle, "stele_plugin_query") : NULL;
    if (symbol == NULL) {
        printf("cannot open: %s\n", dlerror());
        return 1;
    }
    memcpy(&query, &symbol, sizeof query);
    stele__diag_init(&diag);
    stele_status status = stele__library_accept(query, "it", "matrix", &library, &diag);
    if (status != STELE_OK) {
        printf("refused: %s\n", diag.n > 0 ? diag.message[0].text : "without a word");
    }
    int code = status == STELE_OK ? show(&library->plugin[0]) : 0;
    stele__library_destroy(library);
    stele__diag_finish(&diag);
    return code;
}
