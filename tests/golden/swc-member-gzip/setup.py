import zipfile
with zipfile.ZipFile("cells.zip", "w") as z:
    z.writestr(zipfile.ZipInfo("a.swc", (2020, 1, 1, 0, 0, 0)), b"\x1f\x8b\x08 and so on\n")
