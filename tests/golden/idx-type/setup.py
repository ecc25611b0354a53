open('x.idx', 'wb').write(b'\0\0\x07\2' + bytes(40))
