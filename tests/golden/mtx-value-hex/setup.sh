mkdir cells
printf "g1\tA\tGene Expression\ng2\tB\tGene Expression\ng3\tC\tAntibody Capture\n" > cells/features.tsv
printf "c1\nc2\nc3\nc4\n" > cells/barcodes.tsv
cat > cells/matrix.mtx <<'END'
%%MatrixMarket matrix coordinate integer general
3 4 4
1 1 0x10
2 2 3
3 3 2
1 4 1
END
