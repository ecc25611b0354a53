open('x.idx', 'wb').write(b'\0\0\x08\2\0\0\0\x0a\0\0\0\3' + bytes(range(30)))
open('ids.txt', 'w').write('a\nb\n')
