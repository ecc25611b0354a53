import zipfile

GOOD = "1 1 0 0 0 5 -1\n2 3 0 10 0 1 1\n"
with zipfile.ZipFile("cells.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name, text in ({"a.swc": GOOD * 50}).items():
        z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
data = bytearray(open("cells.zip", "rb").read())
data[60:66] = bytes(6)  # within the packed content
open("cells.zip", "wb").write(data)
