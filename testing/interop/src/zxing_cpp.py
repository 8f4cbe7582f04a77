import os
import sys

import zxingcpp
from PIL import Image

directory = sys.argv[1]
for name in sorted(os.listdir(directory)):
    if name.endswith((".png", ".jpg", ".webp")):
        with Image.open(os.path.join(directory, name)) as picture:
            picture.load()
            codes = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
        print("\t".join([name] + [code.text.encode().hex() for code in codes]))
