//! Compiles `proto/` without protoc: stubs for the client, and for the server that tests play; messages for traces.

use std::{env, error::Error, fs, path::Path};

const GATEWAY: &str = "proto/gateway.proto";
const TRACES: &str = "proto/traces.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let gateway = compile(GATEWAY)?;
    // A test compares it with the pinned Zeebe's own.
    fs::write(Path::new(&env::var("OUT_DIR")?).join("gateway.binpb"), gateway.encode_file_descriptor_set())?;
    compile(TRACES).map(drop)
}

fn compile(file: &str) -> Result<protox::Compiler, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={file}");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).open_file(file)?;
    tonic_prost_build::configure().build_transport(false).compile_fds(compiler.file_descriptor_set())?;
    Ok(compiler)
}
