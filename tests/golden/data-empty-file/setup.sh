: > cells.h5ad
