/* trust.h - may this file be loaded? A plugin is code, so whoever can write it can do in this
 * process whatever its user can. */
#ifndef STELE_PLUGIN_TRUST_H
#define STELE_PLUGIN_TRUST_H

#include "base/diag.h"

/* Refuse (STELE_E_IO and a message) a regular file, given by its real path, that somebody else can
 * change: the file or its folder may be written by every user, or belongs to somebody other than
 * root, the user of this process or the owner of this program; or a folder further up may be
 * written by every user without the sticky bit. `allow` 1: load it all the same, with a warning.
 * What is no regular file is refused in any case. */
STELE_NODISCARD stele_status stele__file_trust(const char *path, int allow, stele__diag *diag);

#endif
