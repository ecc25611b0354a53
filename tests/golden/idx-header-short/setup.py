open('x.idx', 'wb').write(b'\0\0\x08\3\0\0\0\5')
