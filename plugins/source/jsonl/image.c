/* Images: PNG through libpng, JPEG through libjpeg, and another size for them. */
#include "jsonl.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

/* An image as its library gives it: (h, w, channels). */
typedef struct pixels {
    unsigned char *data;
    uint32_t h, w, channels;
} pixels;

static stele_status say(char message[IMAGE_MESSAGE], stele_status code, const char *fmt, ...)
    STELE_PRINTF(3, 4);

static stele_status say(char message[IMAGE_MESSAGE], stele_status code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, IMAGE_MESSAGE, fmt, args);
    va_end(args);
    return code;
}

/* Before anything is taken for it. */
static stele_status take_pixels(pixels *p, int only_size, char message[IMAGE_MESSAGE])
{
    if (p->h == 0 || p->w == 0 || (int64_t)p->h * p->w > IMAGE_MOST_PIXELS) {
        return say(message, STELE_E_DATA, "claims %u x %u pixels; an image may have 1 to %lld",
                   p->h, p->w, (long long)IMAGE_MOST_PIXELS);
    }
    if (!only_size) {
        p->data = malloc((size_t)p->h * p->w * p->channels);
    }
    return only_size || p->data != NULL ? STELE_OK : say(message, STELE_E_NOMEM, "out of memory");
}

/* --- PNG -------------------------------------------------------------------------------------- */

static stele_status read_png(FILE *f, int only_size, pixels *p, char message[IMAGE_MESSAGE])
{
    static const png_color white = { 255, 255, 255 };
    png_image png = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_stdio(&png, f)) {
        return say(message, STELE_E_DATA, "is damaged: %s", png.message);
    }
    /* Else brightness of 16 bits is taken for linear light, and half of white becomes 188. */
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    png.format = p->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    p->h = png.height;
    p->w = png.width;
    stele_status st = take_pixels(p, only_size, message);
    if (st == STELE_OK && !only_size &&
        (!png_image_finish_read(&png, &white, p->data, 0, NULL) || PNG_IMAGE_FAILED(png))) {
        st = say(message, STELE_E_DATA, "is damaged: %s", png.message);
    }
    png_image_free(&png);
    return st;
}

/* --- JPEG ------------------------------------------------------------------------------------- */

typedef struct jpeg {
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    char text[JMSG_LENGTH_MAX];
} jpeg;

static void jpeg_fails(j_common_ptr d)
{
    jpeg *j = d->client_data;
    j->errors.format_message(d, j->text);
    longjmp(j->failed, 1);
}

/* libjpeg fills up what is missing with grey and only warns. Bytes that are too many, and a marker
 * that contradicts itself about colours, do no harm. */
static void jpeg_warns(j_common_ptr d, int level)
{
    int code = d->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM) {
        jpeg_fails(d);
    }
}

/* p->data stays the caller's to free, whatever happens: no local variable changes after setjmp. */
static stele_status read_jpeg(FILE *f, int only_size, pixels *p, char message[IMAGE_MESSAGE])
{
    jpeg *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return say(message, STELE_E_NOMEM, "out of memory");
    }
    j->d.err = jpeg_std_error(&j->errors);
    j->errors.error_exit = jpeg_fails;
    j->errors.emit_message = jpeg_warns;
    j->d.client_data = j;
    if (setjmp(j->failed) != 0) {
        say(message, STELE_E_DATA, "is damaged: %s", j->text);
        jpeg_destroy_decompress(&j->d);
        free(j);
        return STELE_E_DATA;
    }
    jpeg_create_decompress(&j->d);
    jpeg_stdio_src(&j->d, f);
    jpeg_read_header(&j->d, TRUE);
    p->h = j->d.image_height;
    p->w = j->d.image_width;
    stele_status st = STELE_OK;
    if (j->d.num_components == 4) {
        st = say(message, STELE_E_DATA, "has the four colours of print (CMYK); save it as RGB");
    }
    st = st == STELE_OK ? take_pixels(p, only_size, message) : st;
    if (st == STELE_OK && !only_size) {
        j->d.out_color_space = p->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
        jpeg_start_decompress(&j->d);
        while (j->d.output_scanline < j->d.output_height) {
            JSAMPROW line = p->data + (size_t)j->d.output_scanline * p->w * p->channels;
            jpeg_read_scanlines(&j->d, &line, 1);
        }
        jpeg_finish_decompress(&j->d);
    }
    jpeg_destroy_decompress(&j->d);
    free(j);
    return st;
}

/* --- files ------------------------------------------------------------------------------------ */

static stele_status read_file(const char *path, int only_size, pixels *p,
                              char message[IMAGE_MESSAGE])
{
    unsigned char magic[8] = { 0 };
    struct stat status;
    int there = stat(path, &status) == 0;
    if (there && !S_ISREG(status.st_mode)) { /* opening a pipe would wait for a writer */
        return say(message, STELE_E_IO, "is no regular file");
    }
    FILE *f = there ? fopen(path, "rb") : NULL;
    if (f == NULL) {
        return say(message, STELE_E_IO, "cannot be opened: %s", strerror(errno));
    }
    size_t n = fread(magic, 1, sizeof magic, f);
    rewind(f);
    stele_status st = STELE_OK;
    if (n == sizeof magic && png_sig_cmp(magic, 0, sizeof magic) == 0) {
        st = read_png(f, only_size, p, message);
    } else if (n >= 3 && magic[0] == 0xff && magic[1] == 0xd8 && magic[2] == 0xff) {
        st = read_jpeg(f, only_size, p, message);
    } else {
        st = say(message, STELE_E_DATA, "is neither PNG nor JPEG");
    }
    fclose(f);
    return st;
}

stele_status jsonl_image_size(const char *path, uint32_t *ret_h, uint32_t *ret_w,
                              char ret_message[IMAGE_MESSAGE])
{
    pixels p = { .channels = 3 };
    stele_status st = read_file(path, 1, &p, ret_message);
    if (st == STELE_OK) {
        *ret_h = p.h;
        *ret_w = p.w;
    }
    return st;
}

stele_status jsonl_image_read(const char *path, int grey, uint32_t h, uint32_t w,
                              unsigned char *ret, char ret_message[IMAGE_MESSAGE])
{
    pixels p = { .channels = grey ? 1 : 3 };
    stele_status st = read_file(path, 0, &p, ret_message);
    if (st == STELE_OK && jsonl_image_resample(p.data, p.h, p.w, p.channels, h, w, ret) != 0) {
        st = say(ret_message, STELE_E_NOMEM, "out of memory");
    }
    free(p.data);
    return st;
}

/* --- another size ----------------------------------------------------------------------------- */

/* Along one axis: weight of input i for output o is a triangle around the place where o lies, as
 * wide as the output pixels are apart, but never narrower than the input's. */
typedef struct kernel {
    double ratio, radius, centre;
    int64_t begin, end; /* inputs under it */
    double sum;
} kernel;

static kernel kernel_at(uint32_t o, uint32_t from, uint32_t to)
{
    kernel k = { .ratio = (double)from / to };
    k.radius = k.ratio > 1.0 ? k.ratio : 1.0;
    k.centre = (o + 0.5) * k.ratio - 0.5;
    k.begin = (int64_t)ceil(k.centre - k.radius);
    k.end = (int64_t)floor(k.centre + k.radius) + 1;
    k.begin = k.begin < 0 ? 0 : k.begin;
    k.end = k.end > from ? from : k.end;
    for (int64_t i = k.begin; i < k.end; i++) {
        k.sum += 1.0 - fabs((double)i - k.centre) / k.radius;
    }
    return k;
}

static double kernel_weight(const kernel *k, int64_t i)
{
    return (1.0 - fabs((double)i - k->centre) / k->radius) / k->sum;
}

/* First the width, kept as floats, then the height. */
int jsonl_image_resample(const unsigned char *from, uint32_t h, uint32_t w, uint32_t channels,
                         uint32_t to_h, uint32_t to_w, unsigned char *ret)
{
    float *narrow = malloc((size_t)h * to_w * channels * sizeof *narrow);
    if (narrow == NULL) {
        return -1;
    }
    for (uint32_t o = 0; o < to_w; o++) {
        kernel k = kernel_at(o, w, to_w);
        for (size_t at = 0; at < (size_t)h * channels; at++) {
            size_t y = at / channels, c = at % channels;
            double sum = 0;
            for (int64_t i = k.begin; i < k.end; i++) {
                sum += kernel_weight(&k, i) * from[(y * w + (size_t)i) * channels + c];
            }
            narrow[(y * to_w + o) * channels + c] = (float)sum;
        }
    }
    for (uint32_t o = 0; o < to_h; o++) {
        kernel k = kernel_at(o, h, to_h);
        for (size_t at = 0; at < (size_t)to_w * channels; at++) {
            double sum = 0;
            for (int64_t i = k.begin; i < k.end; i++) {
                sum += kernel_weight(&k, i) * (double)narrow[(size_t)i * to_w * channels + at];
            }
            size_t x = at / channels, c = at % channels;
            ret[(c * to_h + o) * to_w + x] = (unsigned char)lround(sum);
        }
    }
    free(narrow);
    return 0;
}
