"""The usual few lines with numpy: the whole image at once. normalize.py ORTHO OUT [CREATION OPTION...]"""
import sys

import numpy
from osgeo import gdal

gdal.UseExceptions()
ortho = gdal.Open(sys.argv[1])
counts = ortho.ReadAsArray().astype(numpy.float32)
# Slope and offset of any product: they change no time.
reflectance = counts * numpy.float32(2.3e-4) + numpy.float32(1.1e-3)
pixels = numpy.clip(numpy.rint(reflectance * numpy.float32(10_000)), 1, 65_535).astype(numpy.uint16)
pixels[counts == 0] = 0
driver = gdal.GetDriverByName("GTiff")
out = driver.Create(sys.argv[2], ortho.RasterXSize, ortho.RasterYSize, ortho.RasterCount, gdal.GDT_UInt16, sys.argv[3:])
out.SetGeoTransform(ortho.GetGeoTransform())
out.WriteArray(pixels)
out.FlushCache()
