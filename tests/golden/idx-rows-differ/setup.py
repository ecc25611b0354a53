open('x.idx', 'wb').write(b'\0\0\x08\2\0\0\0\x0a\0\0\0\3' + bytes(30))
open('labels.idx', 'wb').write(b'\0\0\x08\1\0\0\0\x0b' + bytes(11))
