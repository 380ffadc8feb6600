//! The agent's process.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A turn makes and drops many small things; the C library's allocator took a fifth of
/// its time. How it is built stands in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(agent::SERVICE, agent::run).await
}
