mkfifo x.nwb
