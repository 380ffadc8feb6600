//! Compiles `proto/fte/support/v1/*.proto` in pure Rust, so no protoc is needed.

use std::error::Error;
use std::path::Path;

const FILES: [&str; 8] =
    ["meta", "email", "webform", "whatsapp", "ticket", "outgoing", "metric", "dead_letter"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let files: Vec<_> =
        FILES.iter().map(|name| root.join(format!("fte/support/v1/{name}.proto"))).collect();
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(&files, [&root])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
