"""A gzipped matrix, bytes 200 to 299 overwritten."""

import base64

DATA = """
H4sIAAAAAAACAzVWSW4cORC89yt48Z3JnY/wIwRPQxBmRgYaOvj5zlgEQy40q4qVEZEZwR8/fr59vT7+/Hx7/fv8Kv/zR/n1+/frn4/Pt69n+fj8
er4/X+X9+fl8vf336LWWob/6iJL/Hq2c0h69xCzzMUprpT9maTcvq/SVi7u0fOKUm0/n38ofUUvreSui9JpPRr61ce2Fy6PgiUfuGTvfwjsDv/OZ
wP1T+sHjt4y8tFoCyy3rQTFZQ5soLXfDp/PdfnE/S8T/////////////////////////////////////////////////////////////////////
////////////////////////////////////////////////////////////////oaAsNO8E4PUwvJP3AQ/fAGcd8LgIxlrCS8IC8C7hTcpHtg7I
6sAHVvJLHbXkHslVAN8SvrCApAsAqesCYRMAScMplPWCMwJs1o+kASCFyt2wPNhiwEdVF0gTPstH0vIH6kx4WA01WgNlKSkYIzyrx+4ECMDD2lGH
XXAVhHcMz+qF2jOo6gBdE/DYYICH7sZOghfWj5wBHysMkDaBjw2WpVHXAdIIsFlAkob/2N5HNFz2WQJB+yTAFgIo/chY3uD4YWmpxzbYCuC7wmf5
mrrzavqCq10Nlvt3ijrBl+BZvKrujK3pa2AHSrOUAGlBeEIXlo+kAZ7Hr4MdwGN7Z7F464I04ZOA4gyUYfxGpb9A1Am+IgGCWACUgCTrFo/flr2w
wbAxZe1gSwCtX6g7j6aPJobpo6oXnAXxLeFrUu+6OZemj1YGbBR1gbQgPKHTVF6Rhmc0fnSypj5LePnKAGGEJ/1I1wZbGD9a2FWDVXAVxHeNzwKS
rcQ3PH5L9sIGgy1Q1wPKCLBbwFB7bk0fnQytEHLPRlknSCPAkHzHzTk9fU3uwkYLcIZ0oKYcySHCJvhiOFS6S5d7dqVDNTzLJ64ayFI6HLnLcDqE
0oG2D3jWj5QBnsdvOh2a7DOu0kG2PzyVU6Tl4nI6dKdDlX1iCQDp/SEWSFkHYwyHoL2wyRboQjoE8R2qR64A0uNHBwM+u2dTOlzDs3okDO3j8aOL
AZ7ToSodZPvNU9lFGuB5/IbTIeSecZQOdH6kg/UjaaGolJF1tdkAYUyHTnxDAi6lQ1c6VNvLln32oXRw+m2n+3A4ePzoYQD4bZ9Kh2N8lo+kAZ/n
j1aG9pR5XoWDfH97Ko9Iwysev650oKY6XnR5/9BITvG1mJJbHnbUYVfnCrhgMzzrN50OTdMnB5tqMHR9VzroXHE0lVecobuqxo9GBpTf/ql02E4/
60fSANDzRyuDv8g9ecCQ9zfPpBgbyslJF1vssa2TxZHvX40k4G2fXZwOVebCBoOjDqdDGJ7lG06H0PTRxgBvOh2a0kG23zWVw4ex6axcsjLYp/2T
B4xEsJwOElCcKSm7fGwU2edmOND5t0byiKyrlMS8yF6OzJPnCkxfMz7Lp8PYUlZunSuOT7BXJwuUUQ3vWz2nQ9X00cpAwXA6hNPhGJ7VC7WnDhhy
sqY+6zpdDHr/1Egu0bWVkkcWdt1gleeKv9g0qQ/eCwAA
"""
open("cells.mtx.gz", "wb").write(base64.b64decode(DATA))
