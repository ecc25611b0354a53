import gzip
open('x.idx', 'wb').write(gzip.compress(b'\0\0\x08\2\0\0\0\x0a\0\0\0\3' + bytes(30), mtime=0) + b'more')
