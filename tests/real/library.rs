//! The library of processes (docs/library.md) on a real broker; those of images with real OTB, the others with small
//! programs.

mod ask_after_failure;
mod manual;
mod map_reduce;
mod more_memory;
mod quality_loop;
mod time_box;

use gdal::{
    DriverManager,
    raster::{Buffer, GdalType},
};
use serde_json::Value;
use std::path::Path;
use zeebe2faas_tests::{
    crash::{Setup, Site, guarded, shipped, stack},
    soon,
};

/// OTB as the function `otbcli`, like that of `stack.yml`; one thread, since several run at once.
const OTB: [(&str, &str); 4] = [
    ("RUNNER_PROGRAM", "otbApplicationLauncherCommandLine"),
    ("RUNNER_NO_PATHS", "exp"),
    ("OTB_APPLICATION_PATH", "/usr/lib/x86_64-linux-gnu/otb/applications:/usr/lib/aarch64-linux-gnu/otb/applications"),
    ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1"),
];

/// Everything but the bridge for this process, with the project's templates and these guarded functions.
async fn site(name: &'static str, process: &str, functions: &[String], programs: &[(&str, &str)]) -> Site {
    let names = functions.iter().filter_map(|function| function.trim_start().split_once(':'));
    let run_once: String = names.map(|(name, _)| format!("functions.{name}.run_once = true\n")).collect();
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");
    let setup = Setup {
        stack: stack(functions),
        programs,
        configuration: &format!("templates = \"{templates}\"\n{run_once}"),
        processes: vec![shipped("faas-call", name), shipped(process, name)],
    };
    Site::with(name, setup).await
}

/// With OTB.
async fn site_with_otb(name: &'static str, process: &str) -> Site {
    let otb = guarded("otbcli", "BandMath,CompareImages,ExtractROI,TileFusion", &OTB);
    site(name, process, &[otb], &[]).await
}

/// The variables of an instance of this site's process at its end.
async fn run(site: &Site, process: &str, variables: Value) -> Value {
    soon(site.start(process, variables)).await.unwrap()
}

/// Writes an image of this width and height without a map, all bands alike, by the value of each pixel.
fn write_image<T: GdalType + Copy>(path: &Path, size: (usize, usize), bands: usize, value: impl Fn(usize) -> T) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let image = driver.create_with_band_type::<T, _>(path, size.0, size.1, bands).unwrap();
    let mut pixels = Buffer::new(size, (0..size.0 * size.1).map(value).collect());
    for band in 1..=bands {
        image.rasterband(band).unwrap().write((0, 0), size, &mut pixels).unwrap();
    }
    image.close().unwrap();
}
