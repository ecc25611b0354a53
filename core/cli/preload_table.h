/* preload_table.h - the plugins linked into the program, as the build option `preload` chose them.
 */
#ifndef STELE_CLI_PRELOAD_TABLE_H
#define STELE_CLI_PRELOAD_TABLE_H

#include <ltdl.h>

extern const lt_dlsymlist stele__preload_table[];

#endif
