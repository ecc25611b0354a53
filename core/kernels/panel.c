#include "kernels/panel.h"

#define STELE__TWICE "kernels/panel_api.inc"
#include "kernels/twice.h"
