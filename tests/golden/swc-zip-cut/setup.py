import zipfile

GOOD = "1 1 0 0 0 5 -1\n2 3 0 10 0 1 1\n"
with zipfile.ZipFile("cells.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name, text in ({"x/a.swc": GOOD, "x/b.swc": GOOD}).items():
        z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
data = open("cells.zip", "rb").read()
open("cells.zip", "wb").write(data[:-30])
