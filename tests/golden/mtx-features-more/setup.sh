mkdir cells
printf "g1\tA\tGene Expression\ng2\tB\tGene Expression\ng3\tC\tAntibody Capture\n" > cells/features.tsv
printf "c1\nc2\nc3\nc4\n" > cells/barcodes.tsv
cat > cells/matrix.mtx <<'END'
%%MatrixMarket matrix coordinate integer general
2 4 3
1 1 5
2 2 3
1 4 1
END
