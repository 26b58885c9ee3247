//! A small product file and small images to normalise.

use std::path::Path;

use gdal::raster::{Buffer, GdalType, RasterCreationOptions};
use gdal::spatial_ref::SpatialRef;
use gdal::{Dataset, DriverManager};

/// Calibration is listed B0 to B3, the image is ordered B2 B1 B0 B3, as in real products.
pub const DIM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Dimap_Document>
  <Metadata_Identification><METADATA_FORMAT version="2.0">DIMAP</METADATA_FORMAT></Metadata_Identification>
  <Processing_Information><Product_Settings><Radiometric_Settings>
    <RADIOMETRIC_PROCESSING>BASIC</RADIOMETRIC_PROCESSING>
  </Radiometric_Settings></Product_Settings></Processing_Information>
  <Raster_Data><Raster_Display>
    <Band_Display_Order>
      <RED_CHANNEL>B2</RED_CHANNEL><GREEN_CHANNEL>B1</GREEN_CHANNEL>
      <BLUE_CHANNEL>B0</BLUE_CHANNEL><ALPHA_CHANNEL>B3</ALPHA_CHANNEL>
    </Band_Display_Order>
    <Raster_Index_List>
      <Raster_Index><BAND_ID>B0</BAND_ID><BAND_INDEX>3</BAND_INDEX></Raster_Index>
      <Raster_Index><BAND_ID>B1</BAND_ID><BAND_INDEX>2</BAND_INDEX></Raster_Index>
      <Raster_Index><BAND_ID>B2</BAND_ID><BAND_INDEX>1</BAND_INDEX></Raster_Index>
      <Raster_Index><BAND_ID>B3</BAND_ID><BAND_INDEX>4</BAND_INDEX></Raster_Index>
    </Raster_Index_List>
    <Special_Value><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_COUNT>0</SPECIAL_VALUE_COUNT></Special_Value>
    <Special_Value><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_COUNT>4095</SPECIAL_VALUE_COUNT></Special_Value>
  </Raster_Display></Raster_Data>
  <Radiometric_Data><Radiometric_Calibration><Instrument_Calibration><Band_Measurement_List>
    <Band_Radiance><BAND_ID>B0</BAND_ID><GAIN>9.4</GAIN><BIAS>0.5</BIAS></Band_Radiance>
    <Band_Radiance><BAND_ID>B1</BAND_ID><GAIN>9.5</GAIN><BIAS>0</BIAS></Band_Radiance>
    <Band_Radiance><BAND_ID>B2</BAND_ID><GAIN>10.4</GAIN><BIAS>-0.25</BIAS></Band_Radiance>
    <Band_Radiance><BAND_ID>B3</BAND_ID><GAIN>15.6</GAIN><BIAS>0</BIAS></Band_Radiance>
    <Band_Solar_Irradiance><BAND_ID>B0</BAND_ID><VALUE>1915</VALUE></Band_Solar_Irradiance>
    <Band_Solar_Irradiance><BAND_ID>B1</BAND_ID><VALUE>1830</VALUE></Band_Solar_Irradiance>
    <Band_Solar_Irradiance><BAND_ID>B2</BAND_ID><VALUE>1594</VALUE></Band_Solar_Irradiance>
    <Band_Solar_Irradiance><BAND_ID>B3</BAND_ID><VALUE>1060</VALUE></Band_Solar_Irradiance>
  </Band_Measurement_List></Instrument_Calibration></Radiometric_Calibration></Radiometric_Data>
  <Geometric_Data><Use_Area>
    <Located_Geometric_Values><LOCATION_TYPE>Top Center</LOCATION_TYPE>
      <Solar_Incidences><SUN_ELEVATION unit="deg">61.0</SUN_ELEVATION></Solar_Incidences></Located_Geometric_Values>
    <Located_Geometric_Values><LOCATION_TYPE>Center</LOCATION_TYPE>
      <Solar_Incidences><SUN_ELEVATION unit="deg">62.5</SUN_ELEVATION></Solar_Incidences></Located_Geometric_Values>
  </Use_Area></Geometric_Data>
  <Dataset_Sources><Source_Identification><Strip_Source>
    <IMAGING_DATE>2013-07-15</IMAGING_DATE>
  </Strip_Source></Source_Identification></Dataset_Sources>
</Dimap_Document>
"#;

pub const GEO_TRANSFORM: [f64; 6] = [374_291.75, 0.7, 0.0, 4_829_269.0, 0.0, -0.7];

/// Writes an image with a place in UTM zone 31, band after band from `count(band, column, row)`.
pub fn write_image<T: GdalType + Copy>(
    path: &Path,
    size: (usize, usize),
    bands: usize,
    count: impl Fn(usize, usize, usize) -> T,
) {
    write_image_as(path, size, bands, &[], count);
}

/// The same, with creation options.
pub fn write_image_as<T: GdalType + Copy>(
    path: &Path,
    (width, height): (usize, usize),
    bands: usize,
    options: &[&str],
    count: impl Fn(usize, usize, usize) -> T,
) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(options.iter().copied());
    let mut image = driver.create_with_band_type_with_options::<T, _>(path, width, height, bands, &options).unwrap();
    image.set_geo_transform(&GEO_TRANSFORM).unwrap();
    image.set_spatial_ref(&SpatialRef::from_epsg(32_631).unwrap()).unwrap();
    for band in 0..bands {
        let counts = (0..width * height).map(|i| count(band, i % width, i / width)).collect();
        let mut counts = Buffer::new((width, height), counts);
        image.rasterband(band + 1).unwrap().write((0, 0), (width, height), &mut counts).unwrap();
    }
    image.close().unwrap();
}

/// All pixels of an image, band after band.
pub fn read_image<T: GdalType + Copy>(path: &Path) -> Vec<Vec<T>> {
    let image = Dataset::open(path).unwrap();
    image.rasterbands().map(|band| band.unwrap().read_band_as::<T>().unwrap().data().to_vec()).collect()
}
