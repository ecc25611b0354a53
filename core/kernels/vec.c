#include "kernels/vec.h"

#include "kernels/isa.h"

#define STELE__TWICE "kernels/vec_api.inc"
#include "kernels/twice.h"
