/* plugins/source/npy: arrays as NumPy writes them, .npy files and .npz archives of them.
 *
 * npy.h - what the files of this plugin share. */
#ifndef NPY_H
#define NPY_H

#include "array.h"
#include "zip.h"

/* Of an array of numbers; refuses others and says what they are. */
stele_status npy_parse(array *a);
/* Does the content begin as a .npy file does? */
int npy_is_array(input *in);
/* Row ids from an array of texts or whole numbers with one dimension. */
stele_status npy_read_ids(input *in, texts *ret);

#endif
