//! The check itself: it finds targets that were moved or changed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use gdal::raster::Buffer;
use gdal::spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef};
use gdal::{Dataset, DriverManager};
use zeebe2faas_dev::phr::{Couple, CoupleOptions, Truth, verify, write_couple};

const PIXEL_M: f64 = 0.7;
const SIDE: usize = 500;

/// A map in UTM zone 31 on which each target is painted `moved_m` east of its place, times `factor`.
fn paint(couple: &Couple, path: &Path, scale: f64, moved_m: f64, factor: f64) {
    let truth = Truth::read(&couple.truth).unwrap();
    let mut degrees = SpatialRef::from_epsg(4326).unwrap();
    degrees.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
    let utm = SpatialRef::from_epsg(32_631).unwrap();
    let to_map = CoordTransform::new(&degrees, &utm).unwrap();
    let places: Vec<_> = truth
        .targets
        .iter()
        .map(|target| {
            let (mut x, mut y) = ([target.lon], [target.lat]);
            to_map.transform_coords(&mut x, &mut y, &mut []).unwrap();
            (x[0] + moved_m, y[0])
        })
        .collect();
    let half = SIDE as f64 / 2.0 * PIXEL_M;
    let (left, top) = ((places[0].0 - half).floor(), (places[0].1 + half).floor());
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let mut map: Dataset = driver.create_with_band_type::<f32, _>(path, SIDE, SIDE, 4).unwrap();
    map.set_geo_transform(&[left, PIXEL_M, 0.0, top, 0.0, -PIXEL_M]).unwrap();
    map.set_spatial_ref(&utm).unwrap();
    for band in 0..4 {
        let value = |index: usize| {
            let x = left + ((index % SIDE) as f64 + 0.5) * PIXEL_M;
            let y = top - ((index / SIDE) as f64 + 0.5) * PIXEL_M;
            let hit = places.iter().position(|place| (x - place.0).hypot(y - place.1) < truth.target_radius_m);
            hit.map_or(0.0, |hit| (truth.expected(&truth.targets[hit], Some(scale))[band] * factor) as f32)
        };
        let mut pixels = Buffer::new((SIDE, SIDE), (0..SIDE * SIDE).map(value).collect());
        map.rasterband(band + 1).unwrap().write((0, 0), (SIDE, SIDE), &mut pixels).unwrap();
    }
    map.close().unwrap();
}

fn couple(directory: &Path) -> (Couple, PathBuf) {
    let options = CoupleOptions { size: 400, ..CoupleOptions::default() };
    (write_couple(&directory.join("couple"), &options).unwrap(), directory.join("map.tif"))
}

#[test]
fn targets_in_place_pass_and_moved_or_changed_ones_are_measured() {
    let directory = tempfile::tempdir().unwrap();
    let (couple, map) = couple(directory.path());
    for (moved_m, factor) in [(0.0, 1.0), (2.5, 1.0), (0.0, 1.03)] {
        paint(&couple, &map, 10_000.0, moved_m, factor);
        let accuracy = verify(&couple.truth, &map, Some(10_000.0)).unwrap();
        assert_eq!(accuracy.targets.len(), 5);
        assert!((accuracy.worst_offset_m - moved_m).abs() < 0.1, "{accuracy:?}");
        assert!((accuracy.worst_relative_error - (factor - 1.0)).abs() < 1e-4, "{accuracy:?}");
    }
}

#[test]
fn a_target_with_another_value_or_scale_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let (couple, map) = couple(directory.path());
    paint(&couple, &map, 1.0, 0.0, 1.5);
    assert!(verify(&couple.truth, &map, Some(1.0)).unwrap_err().to_string().contains("target 0 is not there"));
    paint(&couple, &map, 1.0, 0.0, 1.0);
    assert!(verify(&couple.truth, &map, Some(10_000.0)).is_err());
    assert!(verify(&couple.truth, &map, None).is_err());
}
