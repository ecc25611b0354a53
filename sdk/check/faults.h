/* faults.h - host tables whose n-th call fails. */
#ifndef STELE_CHECK_FAULTS_H
#define STELE_CHECK_FAULTS_H

#include "rig.h"

/* Tables that count the calls of every service that can fail. */
const stele__host_tables *faults_tables(void);
/* Make the n-th call from now on fail (0: the next one), once; negative: none. Resets the count. */
void faults_arm(int64_t n);
/* Calls since then, and the name of the service that failed; NULL: none did. */
int64_t faults_count(void);
const char *faults_fired(void);

#endif
