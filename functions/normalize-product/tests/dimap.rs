//! What is read from a product file, and which product files are refused.
#![expect(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "each test file uses its part of the support")]
mod support;

use normalize_product::dimap::{Fault, parse, read};
use proptest::prelude::{Just, Strategy, prop_assert_eq, proptest};
use support::DIM;

fn refusal(from: &str, to: &str) -> String {
    assert!(DIM.contains(from), "the product has no {from}");
    parse(&DIM.replace(from, to)).unwrap_err().to_string()
}

fn ids(xml: &str) -> Vec<String> {
    parse(xml).unwrap().bands.into_iter().map(|band| band.id).collect()
}

fn without_index_list() -> String {
    let (start, rest) = DIM.split_once("<Raster_Index_List>").unwrap();
    let (_, end) = rest.split_once("</Raster_Index_List>").unwrap();
    format!("{start}{end}")
}

#[test]
fn bands_are_in_file_order_and_carry_the_calibration_of_their_own_id() {
    let product = parse(DIM).unwrap();
    let bands: Vec<_> = product.bands.iter().map(|b| (b.id.as_str(), b.calibration.gain, b.calibration.bias)).collect();
    assert_eq!(bands, [("B2", 10.4, -0.25), ("B1", 9.5, 0.0), ("B0", 9.4, 0.5), ("B3", 15.6, 0.0)]);
    let irradiances: Vec<_> = product.bands.iter().map(|b| b.calibration.irradiance).collect();
    assert_eq!(irradiances, [1594.0, 1830.0, 1915.0, 1060.0]);
}

#[test]
fn sun_date_and_special_values_are_those_of_the_centre_and_the_strip() {
    let product = parse(DIM).unwrap();
    assert_eq!((product.sun_elevation_deg, product.date.to_string().as_str()), (62.5, "2013-07-15"));
    assert_eq!((product.nodata, product.saturated), (0.0, Some(4095.0)));
}

#[test]
fn without_an_index_list_the_display_order_is_the_file_order() {
    assert_eq!(ids(&without_index_list()), ["B2", "B1", "B0", "B3"]);
}

#[test]
fn a_product_without_special_values_has_no_data_0_and_no_saturation() {
    let product = parse(&DIM.replace(">NODATA<", ">OTHER<").replace(">SATURATED<", ">OTHER<")).unwrap();
    assert_eq!((product.nodata, product.saturated), (0.0, None));
}

#[test]
fn other_radiometric_processing_than_basic_is_refused_with_line_and_element() {
    let message = refusal(">BASIC<", ">REFLECTANCE<");
    assert!(message.contains("line 5") && message.contains("RADIOMETRIC_PROCESSING is \"REFLECTANCE\""), "{message}");
}

#[test]
fn a_missing_element_is_named_with_its_path() {
    let list = "Dimap_Document/Radiometric_Data/Radiometric_Calibration/Instrument_Calibration/Band_Measurement_List";
    assert!(refusal("<GAIN>10.4</GAIN>", "").contains(&format!("{list}/Band_Radiance[BAND_ID=B2]/GAIN")));
    let message = refusal("<Band_Solar_Irradiance><BAND_ID>B3", "<Band_Solar_Irradiance><BAND_ID>B9");
    assert!(message.contains(&format!("{list}/Band_Solar_Irradiance[BAND_ID=B3]")), "{message}");
    assert!(refusal("<LOCATION_TYPE>Center", "<LOCATION_TYPE>Elsewhere").contains("[LOCATION_TYPE=Center]"));
    assert!(refusal("<IMAGING_DATE>2013-07-15</IMAGING_DATE>", "").contains("Strip_Source/IMAGING_DATE"));
    assert!(refusal("<RADIOMETRIC_PROCESSING>BASIC</RADIOMETRIC_PROCESSING>", "").contains("RADIOMETRIC_PROCESSING"));
}

#[test]
fn values_out_of_range_are_refused() {
    assert!(refusal("<GAIN>9.4<", "<GAIN>0<").contains("above 0"));
    assert!(refusal("<BIAS>0.5<", "<BIAS>NaN<").contains("a number"));
    assert!(refusal("<VALUE>1915<", "<VALUE>-1915<").contains("above 0"));
    assert!(refusal(">62.5<", ">-3<").contains("above 0 and at most 90"));
    assert!(refusal("2013-07-15", "2013-02-30").contains("a date"));
    assert!(refusal("<BAND_INDEX>3<", "<BAND_INDEX>x<").contains("whole number"));
}

#[test]
fn contradictions_are_refused() {
    assert!(refusal("<BAND_INDEX>3<", "<BAND_INDEX>2<").contains("BAND_INDEX are [1, 2, 2, 4]"));
    assert!(
        refusal("<Band_Radiance><BAND_ID>B1", "<Band_Radiance><BAND_ID>B2").contains("2 Band_Radiance have BAND_ID B2")
    );
    let end = "</Source_Identification>";
    let second =
        DIM[DIM.find("<Source_Identification>").unwrap()..].split(end).next().unwrap().replace("07-15", "07-16");
    assert!(refusal(end, &format!("{end}{second}{end}")).contains("different dates"));
}

#[test]
fn other_files_are_told_apart() {
    assert!(matches!(parse("II*\0"), Err(Fault::Xml(_))));
    assert!(parse("<a/>").unwrap_err().to_string().contains("the root element is a"));
    let message = refusal("version=\"2.0\"", "version=\"1.1\"");
    assert!(message.contains("not a DIMAP v2 product") && message.contains("1.1"), "{message}");
}

#[test]
fn a_missing_and_a_huge_file_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("DIM.XML");
    let message = read(&missing).unwrap_err().to_string();
    assert!(message.contains(missing.to_str().unwrap()) && message.contains("No such file"), "{message}");
    let huge = std::fs::File::create(&missing).unwrap();
    huge.set_len(normalize_product::dimap::MAX_DIM_BYTES + 1).unwrap();
    assert!(matches!(read(&missing).unwrap_err().fault, Fault::TooLarge));
}

proptest! {
    #[test]
    fn the_join_does_not_depend_on_the_order_of_any_list(order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let part = |tag: &str| {
            let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
            DIM.split(&start).skip(1).map(|p| format!("{start}{}{end}", p.split(&end).next().unwrap())).collect::<Vec<_>>()
        };
        let mut shuffled = DIM.to_owned();
        for tag in ["Band_Radiance", "Band_Solar_Irradiance", "Raster_Index"] {
            let parts = part(tag);
            for (place, _) in parts.iter().enumerate() {
                shuffled = shuffled.replace(&parts[place], &format!("@{tag}{place}@"));
            }
            for (place, from) in order.iter().enumerate() {
                shuffled = shuffled.replace(&format!("@{tag}{place}@"), &parts[*from]);
            }
        }
        prop_assert_eq!(parse(&shuffled).unwrap(), parse(DIM).unwrap());
    }

    #[test]
    fn no_cut_of_a_product_panics_or_passes(at in 0..DIM.len() - 2) {
        let cut = DIM.char_indices().map(|(i, _)| i).take_while(|i| *i <= at).last().unwrap_or(0);
        assert!(parse(&DIM[..cut]).is_err());
    }
}
