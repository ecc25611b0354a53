open('x.idx', 'wb').write(b'\0\0\x0e\4' + b'\xff' * 16 + bytes(9))
