//! What normalisation needs from a DIMAP v2 product file (`DIM_*.XML`), checked.
//!
//! Source: Airbus DS Geo, "Pléiades Imagery User Guide", appendix on the DIMAP v2 format.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use roxmltree::{Document, Node};

use crate::reflectance::Calibration;

/// The largest product file that is read; real ones are below 1 MB.
pub const MAX_DIM_BYTES: u64 = 16 * 1024 * 1024;

const BASIC: &str = "BASIC";
const CALIBRATION: &str = "Radiometric_Data/Radiometric_Calibration/Instrument_Calibration/Band_Measurement_List";
const DISPLAY: &str = "Raster_Data/Raster_Display";
const PROCESSING: &str = "Processing_Information/Product_Settings/Radiometric_Settings/RADIOMETRIC_PROCESSING";

/// A multispectral product: one band for each band of its raster file, in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// The bands as they follow each other in the image file.
    pub bands: Vec<Band>,
    /// Elevation of the sun over the horizon at the scene's centre, degrees, above 0 and at most 90.
    pub sun_elevation_deg: f64,
    /// Day of acquisition (UTC).
    pub date: Date,
    /// The count that means "no data"; 0 where the product does not say.
    pub nodata: f64,
    /// The count from which the detector is saturated.
    pub saturated: Option<f64>,
}

/// One band and its absolute calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// `BAND_ID`, for example `B2`.
    pub id: String,
    /// Gain, bias and solar irradiance of this band.
    pub calibration: Calibration,
}

/// A product file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct DimapError {
    /// The product file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What can be wrong with a product file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("cannot read the file ({0}); give the DIM_*.XML of the multispectral product")]
    Read(#[from] std::io::Error),
    /// It is above [`MAX_DIM_BYTES`].
    #[error("larger than {MAX_DIM_BYTES} bytes, so not a product file; give the DIM_*.XML, not the image")]
    TooLarge,
    /// It is not XML.
    #[error("not an XML file ({0}); give the DIM_*.XML of the multispectral product")]
    Xml(#[from] roxmltree::Error),
    /// It is XML of another kind.
    #[error("not a DIMAP v2 product ({0}); give the DIM_*.XML of a Pleiades multispectral product")]
    NotDimap2(String),
    /// An element is not there.
    #[error("the element {0} is missing; the product is incomplete")]
    Missing(String),
    /// An element has a value that cannot be used.
    #[error("line {line}: {element} is {value:?}; {expected}")]
    Value {
        /// Line in the product file, from 1.
        line: u32,
        /// Path of the element from the root.
        element: String,
        /// Its text.
        value: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// Elements contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}

/// Reads and checks a product file.
pub fn read(path: &Path) -> Result<Product, DimapError> {
    read_text(path).and_then(|text| parse(&text)).map_err(|fault| DimapError { path: path.to_owned(), fault })
}

fn read_text(path: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_DIM_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_DIM_BYTES { Err(Fault::TooLarge) } else { Ok(text) }
}

/// Reads a product from the text of its file.
pub fn parse(xml: &str) -> Result<Product, Fault> {
    let document = Document::parse(xml)?;
    let root = Element { node: document.root_element(), path: document.root_element().tag_name().name().to_owned() };
    refuse_other_formats(&root)?;
    let processing = root.find(PROCESSING)?;
    if processing.text() != BASIC {
        return Err(processing.fault("only BASIC counts carry a calibration: order the product with that processing"));
    }
    Ok(Product {
        bands: bands(&root)?,
        sun_elevation_deg: sun_elevation(&root)?,
        date: imaging_date(&root)?,
        nodata: special_value(&root, "NODATA")?.unwrap_or(0.0),
        saturated: special_value(&root, "SATURATED")?,
    })
}

fn refuse_other_formats(root: &Element) -> Result<(), Fault> {
    if root.path != "Dimap_Document" {
        return Err(Fault::NotDimap2(format!("the root element is {}", root.path)));
    }
    let format = root.find("Metadata_Identification/METADATA_FORMAT")?;
    let version = format.node.attribute("version").unwrap_or("none");
    if format.text() != "DIMAP" || !version.starts_with("2.") {
        return Err(Fault::NotDimap2(format!("METADATA_FORMAT is {:?}, version {version:?}", format.text())));
    }
    Ok(())
}

/// The bands in file order, each joined to its calibration by BAND_ID: the lists in a product differ in their order.
fn bands(root: &Element) -> Result<Vec<Band>, Fault> {
    let list = root.find(CALIBRATION)?;
    let calibrated = |id: String| {
        let radiance = list.the_one("Band_Radiance", "BAND_ID", &id)?;
        let irradiance = list.the_one("Band_Solar_Irradiance", "BAND_ID", &id)?;
        let calibration = Calibration {
            gain: radiance.find("GAIN")?.positive()?,
            bias: radiance.find("BIAS")?.number()?,
            irradiance: irradiance.find("VALUE")?.positive()?,
        };
        Ok(Band { id, calibration })
    };
    file_order(root)?.into_iter().map(calibrated).collect()
}

fn file_order(root: &Element) -> Result<Vec<String>, Fault> {
    let display = root.find(DISPLAY)?;
    match display.find("Raster_Index_List") {
        Ok(list) => indexed_order(&list),
        Err(_) => displayed_order(&display),
    }
}

fn indexed_order(list: &Element) -> Result<Vec<String>, Fault> {
    let mut order = Vec::new();
    for entry in list.all("Raster_Index") {
        let index = entry.find("BAND_INDEX")?;
        let position: usize = index.text().parse().map_err(|_| index.fault("it has to be a whole number from 1"))?;
        order.push((position, entry.find("BAND_ID")?.text().to_owned()));
    }
    order.sort();
    let positions: Vec<usize> = order.iter().map(|(position, _)| *position).collect();
    if positions.is_empty() || positions != (1..=order.len()).collect::<Vec<_>>() {
        let place = &list.path;
        return Err(Fault::Inconsistent(format!("{place}: the BAND_INDEX are {positions:?}, not 1 to the last band")));
    }
    Ok(order.into_iter().map(|(_, id)| id).collect())
}

/// Older products have no index list: their files follow the display order red, green, blue, alpha.
fn displayed_order(display: &Element) -> Result<Vec<String>, Fault> {
    let order = display.find("Band_Display_Order")?;
    let named: Vec<String> = ["RED_CHANNEL", "GREEN_CHANNEL", "BLUE_CHANNEL", "ALPHA_CHANNEL"]
        .iter()
        .filter_map(|channel| order.find(channel).ok())
        .map(|channel| channel.text().to_owned())
        .collect();
    if named.is_empty() { Err(Fault::Missing(format!("{}/RED_CHANNEL", order.path))) } else { Ok(named) }
}

fn sun_elevation(root: &Element) -> Result<f64, Fault> {
    let area = root.find("Geometric_Data/Use_Area")?;
    let centre = area.the_one("Located_Geometric_Values", "LOCATION_TYPE", "Center")?;
    let elevation = centre.find("Solar_Incidences/SUN_ELEVATION")?;
    match elevation.number()? {
        degrees if degrees > 0.0 && degrees <= 90.0 => Ok(degrees),
        _ => Err(elevation.fault("it has to be above 0 and at most 90 degrees: by night there is no reflectance")),
    }
}

fn imaging_date(root: &Element) -> Result<Date, Fault> {
    let sources = root.find("Dataset_Sources")?;
    let mut dates = Vec::new();
    for source in sources.all("Source_Identification") {
        let date = source.find("Strip_Source/IMAGING_DATE")?;
        dates.push(date.text().parse::<Date>().map_err(|_| date.fault("it has to be a date such as 2013-07-15"))?);
    }
    match dates.as_slice() {
        [] => Err(Fault::Missing(format!("{}/Source_Identification/Strip_Source/IMAGING_DATE", sources.path))),
        [first, rest @ ..] if rest.iter().all(|date| date == first) => Ok(*first),
        several => Err(Fault::Inconsistent(format!("the sources have different dates, {several:?}: one is needed"))),
    }
}

fn special_value(root: &Element, name: &str) -> Result<Option<f64>, Fault> {
    let display = root.find(DISPLAY)?;
    match display.named("Special_Value", "SPECIAL_VALUE_TEXT", name).as_slice() {
        [] => Ok(None),
        [value, ..] => value.find("SPECIAL_VALUE_COUNT")?.number().map(Some),
    }
}

/// A node that knows its path, so that every fault can name the element.
struct Element<'a, 'input> {
    node: Node<'a, 'input>,
    path: String,
}

impl<'a, 'input> Element<'a, 'input> {
    fn find(&self, path: &str) -> Result<Self, Fault> {
        let step = |node: Node<'a, 'input>, tag| node.children().find(|child| child.has_tag_name(tag));
        let full = format!("{}/{path}", self.path);
        match path.split('/').try_fold(self.node, step) {
            Some(node) => Ok(Self { node, path: full }),
            None => Err(Fault::Missing(full)),
        }
    }

    fn all(&self, tag: &str) -> impl Iterator<Item = Self> {
        let path = format!("{}/{tag}", self.path);
        let children = self.node.children().filter(move |child| child.has_tag_name(tag));
        children.map(move |node| Self { node, path: path.clone() })
    }

    fn named(&self, tag: &str, key: &str, name: &str) -> Vec<Self> {
        let has_name = |entry: &Self| entry.find(key).is_ok_and(|id| id.text() == name);
        let label = |entry: Self| Self { path: format!("{}[{key}={name}]", entry.path), ..entry };
        self.all(tag).filter(has_name).map(label).collect()
    }

    fn the_one(&self, tag: &str, key: &str, name: &str) -> Result<Self, Fault> {
        let mut found = self.named(tag, key, name);
        match (found.len(), found.pop()) {
            (1, Some(entry)) => Ok(entry),
            (0, _) => Err(Fault::Missing(format!("{}/{tag}[{key}={name}]", self.path))),
            (n, _) => Err(Fault::Inconsistent(format!("{}: {n} {tag} have {key} {name}, not one", self.path))),
        }
    }

    fn text(&self) -> &'a str {
        self.node.text().unwrap_or_default().trim()
    }

    fn number(&self) -> Result<f64, Fault> {
        let number = self.text().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.fault("it has to be a number"))
    }

    fn positive(&self) -> Result<f64, Fault> {
        let number = self.number()?;
        if number > 0.0 { Ok(number) } else { Err(self.fault("it has to be above 0")) }
    }

    fn fault(&self, expected: &'static str) -> Fault {
        let line = self.node.document().text_pos_at(self.node.range().start).row;
        Fault::Value { line, element: self.path.clone(), value: self.text().to_owned(), expected }
    }
}
