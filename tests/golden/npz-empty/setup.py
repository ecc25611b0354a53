import io
import zipfile

data = b"\x93NUMPY\1\0" + bytes([118, 0])
data += b"{'descr': '<f4', 'fortran_order': False, 'shape': (100, 3), }".ljust(117) + b"\n" + bytes(range(240)) * 5
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr(zipfile.ZipInfo("x.npy"), data, zipfile.ZIP_DEFLATED)
packed = archive.getvalue()
open('x.npz', 'wb').write(b'PK\5\6' + bytes(18))
