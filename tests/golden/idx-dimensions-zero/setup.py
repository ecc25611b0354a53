open('x.idx', 'wb').write(b'\0\0\x08\0' + bytes(40))
