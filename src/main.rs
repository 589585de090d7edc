//! Arguments → one command → exit code.

use std::process::ExitCode;

/// A million customers are millions of small allocations that grow: here the system's allocator
/// would waste a tenth more memory (benches/memory.rs).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    synfinance::commands::main()
}
