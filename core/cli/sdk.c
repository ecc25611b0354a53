#include "cli/sdk.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/sdk_config.h"
#include "plugin/places.h"

#include <string.h>

static char *find(const char *program, const char *in_sources, const char *installed,
                  const char *from_program)
{
    const stele__layout layout = { STELE_BUILD_ROOT, installed, from_program };
    return stele__place_is_built(&layout, program) ? stele__strdup(in_sources)
                                                   : stele__place_installed(&layout, program);
}

stele_status stele__sdk_find(stele__sdk *ret)
{
    stele__sdk s = { 0 };
    char *program = stele__program_path();
    if (program != NULL) {
        s.programs = stele__path_folder(program);
        s.include =
            find(program, STELE_BUILT_INCLUDE, STELE_INSTALLED_INCLUDE, STELE_INCLUDE_FROM_PROGRAM);
        s.pkgconfig = find(program, STELE_BUILT_PKGCONFIG, STELE_INSTALLED_PKGCONFIG,
                           STELE_PKGCONFIG_FROM_PROGRAM);
        s.docs = find(program, STELE_BUILT_DOCS, STELE_INSTALLED_DOCS, STELE_DOCS_FROM_PROGRAM);
    }
    stele__free(program);
    if (s.programs == NULL || s.include == NULL || s.pkgconfig == NULL || s.docs == NULL) {
        stele__sdk_finish(&s);
        return STELE_E_NOMEM;
    }
    *ret = s;
    return STELE_OK;
}

void stele__sdk_finish(stele__sdk *sdk)
{
    stele__free(sdk->programs);
    stele__free(sdk->include);
    stele__free(sdk->pkgconfig);
    stele__free(sdk->docs);
    memset(sdk, 0, sizeof *sdk);
}
