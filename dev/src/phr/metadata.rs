//! The product and RPC files of an image, in DIMAP v2: pixel 1 is the centre of the first one.

use std::fmt::Display;

use jiff::SignedDuration;

use super::Acquisition;
use super::frame::Frame;
use super::geometry::{HEIGHT_OFFSET_M, HEIGHT_SCALE_M};
use super::radiometry::{Band, SATURATED};

/// Time between two lines of the P image.
const LINE_PERIOD_MS: f64 = 0.0735;
/// Terms of an RPC polynomial; the first four are 1, x, y and height.
const RPC_TERMS: usize = 20;

/// The text of `DIM_<id>.XML`.
pub(super) fn product(acquisition: &Acquisition, frame: &Frame) -> String {
    let options = &acquisition.options;
    let since_start = |lines: f64| {
        let span = SignedDuration::from_nanos((lines * LINE_PERIOD_MS * 1e6).round() as i64);
        options.acquired.saturating_add(span).strftime("%Y-%m-%dT%H:%M:%S%.7fZ")
    };
    let display = match frame.mode {
        "P" => element("PAN_CHANNEL", "P"),
        _ => [("RED", "B2"), ("GREEN", "B1"), ("BLUE", "B0"), ("ALPHA", "B3")]
            .map(|(colour, id)| element(&format!("{colour}_CHANNEL"), id))
            .concat(),
    };
    format!(
        include_str!("product.xml"),
        id = frame.id,
        mode = frame.mode,
        band_mode = frame.band_mode,
        job = frame.job,
        size = frame.size,
        centre = (frame.size as f64 + 1.0) / 2.0,
        lon = options.lon,
        lat = options.lat,
        vertices = vertices(acquisition, frame),
        band_count = frame.in_file.len(),
        display = display,
        indices = indices(&frame.in_file),
        saturated = SATURATED,
        measurements = measurements(&frame.calibrated, options.bias),
        date = options.acquired.date(),
        time = options.acquired.strftime("%H:%M:%S%.1fZ"),
        start = since_start(frame.lag.1),
        end = since_start(frame.lag.1 + frame.size as f64 * frame.step),
        line_period_ms = LINE_PERIOD_MS * frame.step,
        first_column = frame.first_column,
        last_column = frame.first_column + frame.size - 1,
        located = located(acquisition, frame),
    )
}

/// The text of `RPC_<id>.XML`.
pub(super) fn rational_functions(acquisition: &Acquisition, frame: &Frame) -> String {
    let (geometry, options) = (&acquisition.geometry, &acquisition.options);
    let (east, north) = geometry.metres_per_degree;
    let (lon_scale, lat_scale) = (geometry.half_m / east, geometry.half_m / north);
    let (column, row) = frame.pixel((geometry.middle, geometry.middle));
    format!(
        include_str!("rpc.xml"),
        direct = polynomials(geometry.direct_coefficients()),
        inverse = polynomials(geometry.inverse_coefficients()),
        size = frame.size,
        first_lon = options.lon - lon_scale,
        first_lat = options.lat - lat_scale,
        last_lon = options.lon + lon_scale,
        last_lat = options.lat + lat_scale,
        lon_scale = lon_scale,
        lon = options.lon,
        lat_scale = lat_scale,
        lat = options.lat,
        height_scale = HEIGHT_SCALE_M,
        height = HEIGHT_OFFSET_M,
        scale = geometry.half_m / geometry.gsd_m / frame.step,
        column = column + 1.0,
        row = row + 1.0,
    )
}

fn polynomials([samp, line]: [[f64; 3]; 2]) -> String {
    let numerator = |coefficients: [f64; 3]| [0.0, coefficients[0], coefficients[1], coefficients[2]];
    let one = [1.0, 0.0, 0.0, 0.0];
    let mut text = String::new();
    for (name, first) in [
        ("SAMP_NUM_COEFF", numerator(samp)),
        ("SAMP_DEN_COEFF", one),
        ("LINE_NUM_COEFF", numerator(line)),
        ("LINE_DEN_COEFF", one),
    ] {
        for term in 0..RPC_TERMS {
            let value = first.get(term).unwrap_or(&0.0);
            push(&mut text, &element(&format!("{name}_{}", term + 1), value));
        }
    }
    text
}

fn vertices(acquisition: &Acquisition, frame: &Frame) -> String {
    let last = frame.size - 1;
    let mut text = String::new();
    for (column, row) in [(0, 0), (last, 0), (last, last), (0, last)] {
        let of_pan = |pixel: usize, lag: f64| frame.step * pixel as f64 + lag;
        let (lon, lat) = acquisition.lon_lat((of_pan(column, frame.lag.0), of_pan(row, frame.lag.1)));
        let place = [element("LON", lon), element("LAT", lat), element("COL", column + 1), element("ROW", row + 1)];
        push(&mut text, &element("Vertex", place.concat()));
    }
    text
}

fn indices(bands: &[Band]) -> String {
    let mut text = String::new();
    for (place, band) in bands.iter().enumerate() {
        let index = [element("BAND_ID", band.id), element("BAND_INDEX", place + 1)];
        push(&mut text, &element("Raster_Index", index.concat()));
    }
    text
}

fn measurements(bands: &[Band], bias: f64) -> String {
    let mut text = String::new();
    let mut list = |tag: &str, band: &Band, description: &str, unit: &str, values: [String; 2]| {
        let head =
            [element("BAND_ID", band.id), element("MEASURE_DESC", description), element("MEASURE_UNIT", unit)].concat();
        push(&mut text, &element(tag, head + &values.concat()));
    };
    for band in bands {
        let range = [element("MIN", band.range_um.0), element("MAX", band.range_um.1)];
        list("Band_Spectral_Range", band, "Spectral range value of raw radiometric Band", "micrometers", range);
    }
    for band in bands {
        let line = [element("GAIN", band.gain), element("BIAS", bias)];
        let description = "Raw radiometric counts (DN) to TOA Radiance (L). Formulae L=DN/GAIN+BIAS";
        list("Band_Radiance", band, description, "watt/m2/steradians/micrometers", line);
    }
    for band in bands {
        let value = [element("VALUE", band.irradiance), String::new()];
        let description = "Solar irradiance value of raw radiometric Band";
        list("Band_Solar_Irradiance", band, description, "watt/m2/micron", value);
    }
    text
}

fn located(acquisition: &Acquisition, frame: &Frame) -> String {
    let (options, view) = (&acquisition.options, acquisition.options.view);
    let (across, along) = (view.across.atan().to_degrees(), view.along.atan().to_degrees());
    let incidence = view.across.hypot(view.along).atan().to_degrees();
    let degrees = |tag: &str, value: f64| format!("<{tag} unit=\"deg\">{value}</{tag}>");
    let metres = |tag: &str| format!("<{tag} unit=\"m\">{}</{tag}>", options.gsd_m * frame.step);
    let angles = [
        degrees("AZIMUTH_ANGLE", view.azimuth_deg()),
        degrees("VIEWING_ANGLE_ACROSS_TRACK", across * 0.9),
        degrees("VIEWING_ANGLE_ALONG_TRACK", along * 0.9),
        degrees("VIEWING_ANGLE", incidence * 0.9),
        degrees("INCIDENCE_ANGLE_ALONG_TRACK", along),
        degrees("INCIDENCE_ANGLE_ACROSS_TRACK", across),
        degrees("INCIDENCE_ANGLE", incidence),
    ];
    let angles = element("Acquisition_Angles", angles.concat());
    let distance = element("Ground_Sample_Distance", metres("GSD_ACROSS_TRACK") + &metres("GSD_ALONG_TRACK"));
    let mut text = String::new();
    for (place, higher) in [("Top Center", 0.002), ("Center", 0.0), ("Bottom Center", -0.002)] {
        let sun = degrees("SUN_AZIMUTH", options.sun_azimuth_deg)
            + &degrees("SUN_ELEVATION", options.sun_elevation_deg + higher);
        let head = element("LOCATION_TYPE", place)
            + &element("TIME", options.acquired.strftime("%Y-%m-%dT%H:%M:%S%.7fZ"))
            + &angles
            + &element("Solar_Incidences", sun);
        push(&mut text, &element("Located_Geometric_Values", head + &distance));
    }
    text
}

fn element(tag: &str, content: impl Display) -> String {
    format!("<{tag}>{content}</{tag}>")
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str("        ");
    text.push_str(line);
}
