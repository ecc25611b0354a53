"""A gzipped matrix, the second half cut off."""

import base64

DATA = """
H4sIAAAAAAACAzVWSW4cORC89yt48Z3JnY/wIwRPQxBmRgYaOvj5zlgEQy40q4qVEZEZwR8/fr59vT7+/Hx7/fv8Kv/zR/n1+/frn4/Pt69n+fj8
er4/X+X9+fl8vf336LWWob/6iJL/Hq2c0h69xCzzMUprpT9maTcvq/SVi7u0fOKUm0/n38ofUUvreSui9JpPRr61ce2Fy6PgiUfuGTvfwjsDv/OZ
wP1T+sHjt4y8tFoCyy3rQTFZQ5soLXfDp/PdfnE/S8Tjq+B7j5ZbcznfQVGoOXEkyMSHrxVU3wqKSoANhWYVOxdzG9SzyMAum/iy6pkAs4pOgKww
f4CY/GBgy55sBfFN4ctaJ/GBMOBbuGZFWL7JWSO8BTgB0ggvS5yEB9IAD5cJ0ibhoaAsNO8E4PUwvJP3AQ/fAGcd8LgIxlrCS8IC8C7hTcpHtg7I
6sAHVvJLHbXkHslVAN8SvrCApAsAqesCYRMAScMplPWCMwJs1o+kASCFyt2wPNhiwEdVF0gTPstH0vIH6kx4WA01WgNlKSkYIzyrx+4ECMDD2lGH
XXAVhHcMz+qF2jOo6gBdE/DYYICH7sZOghfWj5wBHysMkDaBjw2WpVHXAdIIsFlAkob/2N5HNFz2WQJB+yTAFgIo/chY3uD4YWmpxzbYCuC7wmf5
mrrzavqCq10Nlvt3ijrBl+BZvKrujK3pa2AHSrOUAGlBeEIXlo+kAZ7Hr4MdwGN7Z7F464I04ZOA4gyUYfxGpb9A1Am+IgGCWACUgCTrFo/flr2w
wbAxZe1gSwCtX6g7j6aPJg==
"""
open("cells.mtx.gz", "wb").write(base64.b64decode(DATA))
