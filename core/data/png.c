#include "data/png.h"

#include "base/file.h"

#include <png.h>
#include <setjmp.h>

static void put(png_structp png, png_bytep bytes, size_t n)
{
    if (stele__writer_write(png_get_io_ptr(png), bytes, n) != 0) {
        png_error(png, "cannot write");
    }
}

static void flush(png_structp png)
{
    (void)png; /* commit does */
}

/* The reason of a failed write is the writer's to tell; libpng itself would print one. */
static void give_up(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void overlook(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* 0: libpng ran out of memory or could not write. */
static int encode(stele__writer *w, const uint8_t *pixels, size_t height, size_t width,
                  size_t channels)
{
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, give_up, overlook);
    if (png == NULL) {
        return 0;
    }
    if (setjmp(png_jmpbuf(png)) != 0) {
        png_destroy_write_struct(&png, NULL);
        return 0;
    }
    /* What is allocated after setjmp is found again only through `png` itself. */
    info = png_create_info_struct(png);
    if (info == NULL) {
        png_error(png, "no memory");
    }
    png_set_write_fn(png, w, put, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < height; y++) {
        png_write_row(png, pixels + y * width * channels);
    }
    png_write_end(png, info);
    png_destroy_info_struct(png, &info);
    png_destroy_write_struct(&png, NULL);
    return 1;
}

stele_status stele__png_write(const char *path, const uint8_t *pixels, size_t height, size_t width,
                              size_t channels, stele__diag *diag)
{
    stele__writer w;
    if (height == 0 || width == 0 || (channels != 1 && channels != 3)) {
        return stele__diag_error(diag, STELE_E_ARG, NULL, "%s: %zu x %zu x %zu is no picture", path,
                                 height, width, channels);
    }
    stele_status status = stele__writer_open(&w, path, diag);
    if (status != STELE_OK) {
        return status;
    }
    if (!encode(&w, pixels, height, width, channels) && w.reason == 0) {
        stele__writer_abandon(&w);
        return STELE_E_NOMEM;
    }
    return stele__writer_commit(&w, diag);
}
