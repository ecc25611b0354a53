open('x.idx', 'wb').write(b'P5 28 28 255 ' + bytes(100))
