{ printf 'id,a\nc1,1\nc2,"'; head -c 70000000 /dev/zero | tr '\0' x; } >t.csv
