//! Puts `memory.x` where the linker looks for it: each program has its own stretch of flash.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let with_tls = std::env::var_os("CARGO_FEATURE_TLS").is_some();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let board = env!("CARGO_PKG_NAME");
    let program = if with_tls { "memory-tls.x" } else { "memory.x" };
    let mut programs = vec![(board.to_owned(), program)];
    if with_tls {
        programs.push((format!("{board}-boot"), "memory-boot.x"));
    }
    for (name, memory) in programs {
        let folder = out.join(&name);
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(memory, folder.join("memory.x"))?;
        println!("cargo::rustc-link-arg-bin={name}=-L{}", folder.display());
        println!("cargo::rerun-if-changed={memory}");
    }
    Ok(())
}
