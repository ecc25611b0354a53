open("a.png", "wb")
