//! Puts `memory.x` where the linker looks for it: the larger one if there is TLS.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let with_tls = std::env::var_os("CARGO_FEATURE_TLS").is_some();
    let memory = if with_tls { "memory-tls.x" } else { "memory.x" };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    std::fs::copy(memory, out.join("memory.x"))?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rerun-if-changed=memory-tls.x");
    Ok(())
}
