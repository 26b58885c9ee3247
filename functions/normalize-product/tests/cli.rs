//! The program as OpenFaaS's runner starts it.
#![expect(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "each test file uses its part of the support")]
mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::{DIM, read_image, write_image};
use tempfile::TempDir;

fn product() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("DIM.XML"), DIM).unwrap();
    write_image(&directory.path().join("ortho.tif"), (64, 48), 4, |band, column, row| (band + column + row) as f32);
    directory
}

fn call(directory: &Path, arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_call_normalize_function");
    Command::new(program).args(arguments.split_whitespace()).current_dir(directory).output().unwrap()
}

fn refused(directory: &Path, arguments: &str, exit_code: i32) -> String {
    let output = call(directory, arguments);
    assert_eq!(output.status.code(), Some(exit_code), "{output:?}");
    assert!(!directory.join("out.tif").exists());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_command_of_the_chain_writes_float_reflectance_and_tells_its_progress() {
    let directory = product();
    let output = call(directory.path(), "--in_ms DIM.XML --in_ortho ortho.tif -out out.tif");
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.lines().any(|line| line == "progress: 100% normalizing")
            && stdout.contains("B2: 3071 pixels, 0 of them saturated"),
        "{stdout}"
    );
    assert!(read_image::<f32>(&directory.path().join("out.tif"))[3].iter().all(|rho| *rho > 0.0 && *rho < 0.1));
}

#[test]
fn both_ways_to_write_a_parameter_mean_the_same() {
    let directory = product();
    assert!(call(directory.path(), "-in_ms DIM.XML -in_ortho ortho.tif -out a.tif -type uint16").status.success());
    let other = "--in_ms=DIM.XML --in_ortho=ortho.tif --out=b.tif?&gdal:co:COMPRESS=LZW --type uint16 --scale 10000";
    assert!(call(directory.path(), other).status.success());
    let pixels = |name: &str| read_image::<u16>(&directory.path().join(name));
    assert_eq!(pixels("a.tif"), pixels("b.tif"));
}

#[test]
fn wrong_usage_exits_with_2() {
    let directory = product();
    let call = "--in_ms DIM.XML --in_ortho ortho.tif -out out.tif";
    for scale in ["0", "-1", "NaN", "inf", "ten"] {
        let message = refused(directory.path(), &format!("{call} --scale {scale}"), 2);
        assert!(message.contains("a number above 0"), "{message}");
    }
    assert!(refused(directory.path(), &format!("{call} --type int8"), 2).contains("uint16"));
    assert!(refused(directory.path(), "--in_ms DIM.XML -out out.tif", 2).contains("--in_ortho"));
    assert!(refused(directory.path(), &format!("{call}?&gdal:co:COMPRESS"), 2).contains("COMPRESS"));
}

#[test]
fn a_failure_exits_with_1_names_the_file_and_leaves_no_output() {
    let directory = product();
    let message = refused(directory.path(), "--in_ms NO.XML --in_ortho ortho.tif -out out.tif", 1);
    assert!(message.starts_with("error: NO.XML: cannot read the file (No such file"), "{message}");
    let message = refused(directory.path(), "--in_ms DIM.XML --in_ortho no.tif -out out.tif", 1);
    assert!(message.contains("cannot open the ortho no.tif"), "{message}");
    let message = refused(directory.path(), "--in_ms ortho.tif --in_ortho ortho.tif -out out.tif", 1);
    assert!(message.contains("ortho.tif: "), "{message}");
}

#[test]
fn a_disk_that_is_full_is_told_and_leaves_no_output() {
    let directory = product();
    // What does not repeat itself cannot be compressed below the limit.
    let count = |band: usize, column: usize, row: usize| ((column * row + band) * 7919 % 4093) as f32;
    write_image(&directory.path().join("ortho.tif"), (900, 900), 4, count);
    // Neither does a file grow beyond 128 KiB, nor does that end the process.
    let script =
        "trap '' XFSZ; ulimit -f 128; exec \"$0\" -in_ms DIM.XML -in_ortho ortho.tif -out \"$1\" -format \"$2\"";
    for (name, format) in [("out.tif", "gtiff"), ("out.tif?&gdal:co:COMPRESS=ZSTD", "gtiff"), ("out.tif", "cog")] {
        let program = env!("CARGO_BIN_EXE_call_normalize_function");
        let arguments = ["-c", script, program, name, format];
        let output = Command::new("bash").args(arguments).current_dir(directory.path()).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("cannot write the output out.tif") && message.contains("free space"), "{message}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "{name}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_pixels() {
    let directory = product();
    for threads in ["1", "2", "9"] {
        let out = format!("{threads}.tif?&gdal:co:COMPRESS=DEFLATE");
        let output =
            call(directory.path(), &format!("-in_ms DIM.XML -in_ortho ortho.tif -out {out} -threads {threads}"));
        assert!(output.status.success(), "{output:?}");
    }
    let pixels = |name: &str| read_image::<f32>(&directory.path().join(name));
    assert!(pixels("1.tif") == pixels("2.tif") && pixels("2.tif") == pixels("9.tif"));
    assert!(
        refused(directory.path(), "-in_ms DIM.XML -in_ortho ortho.tif -out out.tif -threads 0", 2).contains("threads")
    );
}
