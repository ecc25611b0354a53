/* reason.h - libyaml's complaints in the words of a spec's author. */
#ifndef STELE_SPEC_REASON_H
#define STELE_SPEC_REASON_H

#include "base/diag.h"

#include <yaml.h>

/* Report why `parser` failed on the text. With `lines` 0 the message has no line numbers. */
stele_status stele__yaml_reason(const yaml_parser_t *parser, const char *text, size_t len,
                                const char *file, int lines, stele__diag *diag);

#endif
