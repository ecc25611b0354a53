/* png.h - a picture of 8 bits per channel as a PNG file. */
#ifndef STELE_DATA_PNG_H
#define STELE_DATA_PNG_H

#include "base/diag.h"

#include <stddef.h>
#include <stdint.h>

/* pixels[height, width, channels], channels 1 (grey) or 3 (red, green, blue): the whole file or
 * none. Errors: E_ARG for no pixels or another number of channels, E_IO, E_NOMEM. */
STELE_NODISCARD stele_status stele__png_write(const char *path, const uint8_t *pixels,
                                              size_t height, size_t width, size_t channels,
                                              stele__diag *diag);

#endif
