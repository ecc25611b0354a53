ln -s cells.h5ad cells.h5ad
