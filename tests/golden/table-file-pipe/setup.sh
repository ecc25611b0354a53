mkfifo t.csv
