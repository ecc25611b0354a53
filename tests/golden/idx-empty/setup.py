open('x.idx', 'wb').write(b'')
