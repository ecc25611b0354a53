/* spec_private.h - between the files that read the host's sections. */
#ifndef STELE_SPEC_SPEC_PRIVATE_H
#define STELE_SPEC_SPEC_PRIVATE_H

#include "spec/spec.h"

/* Rules between keys of the sections; fills what is computed from them. */
void stele__sections_check(stele__spec *spec, stele__diag *diag);
/* Fill spec->source, modality, fusion, head, evaluate and missing. */
STELE_NODISCARD stele_status stele__instances_read(stele__spec *spec, stele__diag *diag);
/* Fill spec->axis from the section `sweep`. */
STELE_NODISCARD stele_status stele__sweep_read(stele__spec *spec, stele__diag *diag);

#endif
