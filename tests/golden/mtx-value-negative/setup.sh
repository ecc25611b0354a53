mkdir cells
printf "g1\tA\tGene Expression\ng2\tB\tGene Expression\ng3\tC\tAntibody Capture\n" > cells/features.tsv
seq -f "c%g" 20 > cells/barcodes.tsv
cat > cells/matrix.mtx <<'END'
%%MatrixMarket matrix coordinate integer general
3 20 20
1 1 -5
3 2 2
1 3 3
2 4 4
3 5 5
1 6 6
2 7 7
3 8 8
1 9 9
2 10 10
3 11 11
1 12 12
2 13 13
3 14 14
1 15 15
2 16 16
3 17 17
1 18 18
2 19 19
3 20 20
END
