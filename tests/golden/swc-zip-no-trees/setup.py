import zipfile

GOOD = "1 1 0 0 0 5 -1\n2 3 0 10 0 1 1\n"
with zipfile.ZipFile("cells.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name, text in ({"x/a.txt": GOOD, "__MACOSX/x/._a.swc": GOOD}).items():
        z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
