mkdir cells.h5ad
