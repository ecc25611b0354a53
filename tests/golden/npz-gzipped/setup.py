"""An archive that was gzipped."""

import base64

DATA = """
H4sIAAAAAAACAwvwZmYRYWBg4ABiRQbXWEZTP0YGBgNWBgYgYqjQyyuonP1G/JW0wMkTAccC1s6bFDUnZkne0gV5k9MWrVu8YN60+JCgKTPE58dP
mcQlVO59RtOPtUs8XUVsCdNPqTY2NiuuY7OsuLZypTDpsbmppYmFmZXx+enlycXZ1TE6KiYKBhoWcnpqZkpGWlayuqqmioaalvL66ubKxtrWMjsr
JwsHGxdze2tnS0dbV7O7q6eLh5uX8/vr58vH2/9vOLDgwYQLGz50nFjxYsaNHT9ajix5MuXKli89Z9a8mXNnz5+mQ4seTbq06VPXqVWvZt3a9avt
2LJn065t+9Z3bt27eff2/eMUVvedZ1R664ukcfrZecbl9/6wcovrxm0quflJVDt8bdzmsru/eKXNc+9tKr39Tda6/O29zeX3/zGz88vaFX258VFY
3X+uXfG3Oz+5xfVj9xV9vfVV2jz/7r7i7/f+svPL29Z9+nLzs7h+/N66z9/u/g783/er/Mp+5+v7GQK8GZlEmHEHOQw0MDLAIiDAm5UNxGEEQmMg
XQiWAgCp9t7lugEAAA==
"""
open("x.npz", "wb").write(base64.b64decode(DATA))
