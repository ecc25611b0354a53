/* custom.h - host tables under which a plugin's custom operations work in memory whose borders are watched. */
#ifndef STELE_CHECK_CUSTOM_H
#define STELE_CHECK_CUSTOM_H

#include "rig.h"

/* Those of the rig, but for ops->custom: inputs, outputs and derivatives of an operation are copies, called again with
 * other content and other borders. What is wrong is said to the trial of this process. For one thread at a time. */
const stele__host_tables *custom_tables(void);

#endif
