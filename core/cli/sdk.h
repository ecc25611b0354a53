/* sdk.h - where the parts of the SDK lie that this program belongs to: in the build folder and the
 * sources, or installed, wherever the tree was moved. */
#ifndef STELE_CLI_SDK_H
#define STELE_CLI_SDK_H

#include "base/diag.h"

/* Absolute folders, owned: programs, headers, stele-sdk.pc, documents. */
typedef struct stele__sdk {
    char *programs, *include, *pkgconfig, *docs;
} stele__sdk;

STELE_NODISCARD stele_status stele__sdk_find(stele__sdk *ret);
void stele__sdk_finish(stele__sdk *sdk);

#endif
