//! Compiles `proto/gateway.proto` without protoc: stubs for the client, and for the server that tests play.

use std::{env, error::Error, fs, path::Path};

const PROTO: &str = "proto/gateway.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).open_file(PROTO)?;
    tonic_prost_build::configure().build_transport(false).compile_fds(compiler.file_descriptor_set())?;
    // A test compares it with the pinned Zeebe's own.
    fs::write(Path::new(&env::var("OUT_DIR")?).join("gateway.binpb"), compiler.encode_file_descriptor_set())?;
    Ok(())
}
