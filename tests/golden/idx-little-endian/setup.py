open('x.idx', 'wb').write(b'\0\0\x08\2\x0a\0\0\0\3\0\0\0' + bytes(30))
