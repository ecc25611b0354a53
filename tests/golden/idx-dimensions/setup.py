open('x.idx', 'wb').write(b'\0\0\x08\6' + bytes(40))
