//! Compiles the protos without a system protoc, and keeps their descriptors for reflection.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "usher/v1/access_service.proto",
        "usher/v1/budget_service.proto",
        "usher/v1/directory_service.proto",
        "usher/v1/errors.proto",
        "usher/v1/event_service.proto",
        "usher/v1/grant_service.proto",
        "usher/v1/operations_service.proto",
        "usher/v1/types.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed=proto/{file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("usher_descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
