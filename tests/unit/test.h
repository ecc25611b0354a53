/* CMocka and the headers it wants before itself, in the order it wants them. */
#ifndef STELE_TEST_H
#define STELE_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
