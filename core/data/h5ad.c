#include "data/h5ad.h"

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"

#include <hdf5.h>
#include <string.h>

/* Everything below works on one open image. The first failure sticks and later calls do nothing, so
 * that a sequence of HDF5 calls needs no check of its own after each. */
typedef struct image {
    const char *path;
    stele__diag *diag;
    stele_status status;
    hid_t file, text, boolean; /* types: variable-length UTF-8; AnnData's enum of FALSE and TRUE */
} image;

static herr_t innermost(unsigned n, const H5E_error2_t *error, void *ret_text)
{
    (void)n;
    *(const char **)ret_text = error->desc != NULL ? error->desc : "unknown reason";
    return 1; /* the walk starts at the cause; stop there */
}

static void fail(image *h, const char *what)
{
    if (h->status != STELE_OK) {
        return;
    }
    const char *reason = "unknown reason";
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, &reason);
    h->status = stele__diag_error(h->diag, STELE_E_IO, NULL, "%s: cannot write %s: %s", h->path,
                                  what, reason);
}

static void set_text(image *h, hid_t object, const char *name, const char *value)
{
    if (h->status != STELE_OK) {
        return;
    }
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, h->text, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, h->text, &value) < 0) {
        fail(h, name);
    }
    H5Aclose(attribute);
    H5Sclose(space);
}

static void set_encoding(image *h, hid_t object, const char *type, const char *version)
{
    set_text(h, object, "encoding-type", type);
    set_text(h, object, "encoding-version", version);
}

static hid_t open_group(image *h, hid_t parent, const char *name, const char *type,
                        const char *version)
{
    if (h->status != STELE_OK) {
        return H5I_INVALID_HID;
    }
    hid_t group = H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0) {
        fail(h, name);
    }
    set_encoding(h, group, type, version);
    return group;
}

/* data: rank extents of `memory` type, stored as `stored`. Rank 0 is a scalar. */
static void put_array(image *h, hid_t parent, const char *name, hid_t stored, hid_t memory,
                      int rank, const hsize_t *extent, const void *data, const char *encoding)
{
    if (h->status != STELE_OK) {
        return;
    }
    hsize_t n = 1;
    for (int i = 0; i < rank; i++) {
        n *= extent[i];
    }
    hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, extent, NULL);
    hid_t set = H5Dcreate2(parent, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set < 0 || (n != 0 && H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)) {
        fail(h, name);
    }
    set_encoding(h, set, encoding, "0.2.0");
    H5Dclose(set);
    H5Sclose(space);
}

/* HDF5 reads a NULL among variable-length strings as an empty one. */
static void put_texts(image *h, hid_t parent, const char *name, const char *const *text, size_t n)
{
    hsize_t extent = n;
    put_array(h, parent, name, h->text, h->text, 1, &extent, text, "string-array");
}

static void check_codes(image *h, const stele__column *c, size_t n)
{
    for (size_t i = 0; h->status == STELE_OK && i < n; i++) {
        if (c->code[i] < -1 || (c->code[i] >= 0 && (size_t)c->code[i] >= c->n_categories)) {
            h->status = stele__diag_error(h->diag, STELE_E_ARG, NULL,
                                          "%s: column '%s', row %zu: code %d of %zu categories",
                                          h->path, c->name, i, c->code[i], c->n_categories);
        }
    }
}

static void put_category(image *h, hid_t frame, const stele__column *c, size_t n)
{
    check_codes(h, c, n);
    hid_t group = open_group(h, frame, c->name, "categorical", "0.2.0");
    if (h->status == STELE_OK) {
        const signed char no = 0;
        hid_t space = H5Screate(H5S_SCALAR);
        hid_t ordered = H5Acreate2(group, "ordered", h->boolean, space, H5P_DEFAULT, H5P_DEFAULT);
        if (ordered < 0 || H5Awrite(ordered, h->boolean, &no) < 0) {
            fail(h, c->name);
        }
        H5Aclose(ordered);
        H5Sclose(space);
    }
    hsize_t extent = n;
    put_array(h, group, "codes", H5T_STD_I32LE, H5T_NATIVE_INT32, 1, &extent, c->code, "array");
    put_texts(h, group, "categories", c->text, c->n_categories);
    H5Gclose(group);
}

/* A column of a matrix lies scattered; HDF5 wants it together. */
static void put_float(image *h, hid_t frame, const stele__column *c, size_t n)
{
    hsize_t extent = n;
    float *together = stele__malloc(n * sizeof *together);
    if (together == NULL) {
        h->status = STELE_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        together[i] = c->f32[i * c->stride];
    }
    put_array(h, frame, c->name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 1, &extent, together, "array");
    stele__free(together);
}

static void put_column(image *h, hid_t frame, const stele__column *c, size_t n)
{
    hsize_t extent = n;
    switch (c->kind) {
    case STELE__TEXT: put_texts(h, frame, c->name, c->text, n); break;
    case STELE__CATEGORY: put_category(h, frame, c, n); break;
    case STELE__FLOAT: put_float(h, frame, c, n); break;
    case STELE__DOUBLE:
        put_array(h, frame, c->name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &extent, c->f64,
                  "array");
        break;
    default:
        put_array(h, frame, c->name, H5T_STD_I64LE, H5T_NATIVE_INT64, 1, &extent, c->i64, "array");
        break;
    }
}

static void put_frame(image *h, const char *name, const char *const *index, size_t n,
                      const stele__column *column, size_t n_columns)
{
    hid_t frame = open_group(h, h->file, name, "dataframe", "0.2.0");
    const char **order = stele__malloc(n_columns * sizeof *order);
    if (order == NULL) {
        h->status = STELE_E_NOMEM;
    }
    set_text(h, frame, "_index", "_index");
    put_texts(h, frame, "_index", index, n);
    for (size_t j = 0; h->status == STELE_OK && j < n_columns; j++) {
        order[j] = column[j].name;
        put_column(h, frame, &column[j], n);
    }
    if (h->status == STELE_OK) {
        hsize_t extent = n_columns;
        hid_t space = H5Screate_simple(1, &extent, NULL);
        hid_t attribute =
            H5Acreate2(frame, "column-order", h->text, space, H5P_DEFAULT, H5P_DEFAULT);
        if (attribute < 0 || (n_columns != 0 && H5Awrite(attribute, h->text, order) < 0)) {
            fail(h, "column-order");
        }
        H5Aclose(attribute);
        H5Sclose(space);
    }
    stele__free(order);
    H5Gclose(frame);
}

static void put_content(image *h, const stele__h5ad *c)
{
    set_encoding(h, h->file, "anndata", "0.1.0");
    put_frame(h, "obs", c->obs_names, c->n_obs, c->obs, c->n_obs_columns);
    put_frame(h, "var", c->var_names, c->n_var, NULL, 0);
    if (c->x != NULL) {
        hsize_t extent[2] = { c->n_obs, c->n_var };
        put_array(h, h->file, "X", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 2, extent, c->x, "array");
    }
    hid_t obsm = open_group(h, h->file, "obsm", "dict", "0.1.0");
    for (size_t i = 0; i < c->n_obsm; i++) {
        hsize_t extent[2] = { c->n_obs, c->obsm[i].n_columns };
        put_array(h, obsm, c->obsm[i].name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 2, extent,
                  c->obsm[i].data, "array");
    }
    H5Gclose(obsm);
    hid_t uns = open_group(h, h->file, "uns", "dict", "0.1.0");
    for (size_t i = 0; i < c->n_uns; i++) {
        put_array(h, uns, c->uns[i].key, h->text, h->text, 0, NULL, &c->uns[i].value, "string");
    }
    H5Gclose(uns);
    static const char *const empty[] = { "layers", "obsp", "varm", "varp" };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        H5Gclose(open_group(h, h->file, empty[i], "dict", "0.1.0"));
    }
}

static void check_name(image *h, stele__map *seen, const char *place, const char *name)
{
    int is_new = 1;
    const char *what = NULL;
    if (h->status != STELE_OK) {
        return;
    }
    h->status = stele__map_add(seen, name, NULL, &is_new);
    if (!is_new) {
        what = "occurs twice";
    } else if (name[0] == '\0' || strcmp(name, ".") == 0) {
        what = "is empty";
    } else if (strchr(name, '/') != NULL) {
        what = "holds a '/', which these files cannot name";
    }
    if (h->status == STELE_OK && what != NULL) {
        h->status = stele__diag_error(h->diag, STELE_E_ARG, NULL, "%s: the name '%s' in %s %s",
                                      h->path, name, place, what);
    }
}

static void check_names(image *h, const stele__h5ad *c)
{
    stele__map *seen[3] = { NULL, NULL, NULL };
    for (int i = 0; h->status == STELE_OK && i < 3; i++) {
        h->status = stele__map_create(&seen[i]);
    }
    if (h->status == STELE_OK) {
        h->status = stele__map_add(seen[0], "_index", NULL, NULL);
    }
    for (size_t i = 0; i < c->n_obs_columns; i++) {
        check_name(h, seen[0], "obs", c->obs[i].name);
    }
    for (size_t i = 0; i < c->n_obsm; i++) {
        check_name(h, seen[1], "obsm", c->obsm[i].name);
    }
    for (size_t i = 0; i < c->n_uns; i++) {
        check_name(h, seen[2], "uns", c->uns[i].key);
    }
    for (int i = 0; i < 3; i++) {
        stele__map_destroy(seen[i]);
    }
}

static void open_image(image *h)
{
    enum { GROWTH = 1 << 20 };
    const signed char no = 0, yes = 1;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    h->text = H5Tcopy(H5T_C_S1);
    h->boolean = H5Tenum_create(H5T_NATIVE_INT8);
    if (H5Tset_size(h->text, H5T_VARIABLE) < 0 || H5Tset_cset(h->text, H5T_CSET_UTF8) < 0 ||
        H5Tenum_insert(h->boolean, "FALSE", &no) < 0 ||
        H5Tenum_insert(h->boolean, "TRUE", &yes) < 0 || H5Pset_fapl_core(access, GROWTH, 0) < 0) {
        fail(h, "its types");
    }
    /* With the core driver and no backing store the path names nothing on disk. */
    h->file = H5Fcreate(h->path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (h->file < 0) {
        fail(h, "the image");
    }
    H5Pclose(access);
}

static void close_image(image *h)
{
    H5Fclose(h->file);
    H5Tclose(h->text);
    H5Tclose(h->boolean);
}

/* The core driver's own memory is written out: a copy of the image would double the cost. */
static void save_image(image *h)
{
    void **memory = NULL;
    if (h->status != STELE_OK) {
        return;
    }
    ssize_t size =
        H5Fflush(h->file, H5F_SCOPE_GLOBAL) >= 0 ? H5Fget_file_image(h->file, NULL, 0) : -1;
    if (size < 0 || H5Fget_vfd_handle(h->file, H5P_DEFAULT, (void **)&memory) < 0) {
        fail(h, "the image");
        return;
    }
    stele__writer w;
    h->status = stele__writer_open(&w, h->path, h->diag);
    if (h->status == STELE_OK) {
        (void)stele__writer_write(&w, *memory, (size_t)size);
        h->status = stele__writer_commit(&w, h->diag);
    }
}

stele_status stele__h5ad_write(const char *path, const stele__h5ad *content, stele__diag *diag)
{
    image h = { .path = path, .diag = diag, .status = STELE_OK };
    H5E_auto2_t print = NULL;
    void *print_data = NULL;
    H5Eget_auto2(H5E_DEFAULT, &print, &print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    check_names(&h, content);
    if (h.status == STELE_OK) {
        open_image(&h);
        put_content(&h, content);
        save_image(&h);
        close_image(&h);
    }
    H5Eset_auto2(H5E_DEFAULT, print, print_data);
    return h.status;
}
