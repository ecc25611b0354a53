mkdir t.csv
