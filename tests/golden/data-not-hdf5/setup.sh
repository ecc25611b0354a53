echo "cell,gene" > cells.h5ad
