{ echo id,run,a,b; for i in 0 1 2 3 4 5 6 7 8 9; do echo "r$i,run$((i / 5)),$((i % 3)),$((i % 2))"; done; } > rows.csv
{ echo id,run,a,b; for i in 0 1 2 3 4 5 6 7 8 9; do echo "r$i,run$((i / 4)),$((i % 3)),$((i % 2))"; done; } > moved.csv
