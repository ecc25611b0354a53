mkdir cells; mkfifo cells/a.swc
