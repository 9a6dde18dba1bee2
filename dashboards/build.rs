//! Builds the pages and hands their folder to `embed.rs`.
//!
//! In: the sources of this room, Node on PATH. Out: `$OUT_DIR/web`, with `.br` and `.gz`
//! beside each file worth compressing.
//!
//! `GENGFU_PAGES=skip` leaves the pages out (one line of text stands in for them);
//! `GENGFU_PAGES=/some/folder` takes ready ones from there. Neither needs Node.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the pages are made of. Anything else may change without a new build.
const SOURCES: &[&str] = &[
    "build.rs",
    "compress.ts",
    "index.html",
    "locales",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];

const STAND_IN: &str = "<!doctype html><meta charset=\"utf-8\"><title>Gengfu</title>\
<p>This gengfu was built without its pages; the API is at <a href=\"/api/v1/status\">/api/v1/status</a>.\n";

fn main() {
    println!("cargo::rerun-if-env-changed=GENGFU_PAGES");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Err(error) = build() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
        // The lines above fail the build once this script ends; ending it here with a code
        // would bury them under a second message.
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let web = PathBuf::from(variable("OUT_DIR").ok_or("cargo gave no OUT_DIR")?).join("web");
    match variable("GENGFU_PAGES") {
        Some(choice) if choice == "skip" => {
            empty(&web)?;
            Ok(fs::write(web.join("index.html"), STAND_IN)?)
        }
        Some(folder) if !folder.is_empty() => {
            println!("cargo::rerun-if-changed={}", Path::new(&folder).display());
            if !Path::new(&folder).join("index.html").is_file() {
                return Err(format!(
                    "GENGFU_PAGES names `{}`, which holds no index.html",
                    Path::new(&folder).display()
                )
                .into());
            }
            empty(&web)?;
            Ok(copy(Path::new(&folder), &web)?)
        }
        Some(_) | None => run_vite(&web),
    }
}

fn run_vite(web: &Path) -> Result<(), Box<dyn Error>> {
    node_is_there()?;
    // Two cargo builds at once (an editor's and ours) would write the same node_modules.
    let one_at_a_time = File::open("package-lock.json")?;
    one_at_a_time.lock()?;
    if modules_are_old() {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))?;
    }
    let vite = Path::new("node_modules/vite/bin/vite.js");
    run(Command::new("node").arg(vite).args(["build", "--emptyOutDir", "--outDir"]).arg(web))
}

/// Node 20.19 or 22.12 and later: Vite's floor.
fn node_is_there() -> Result<(), Box<dyn Error>> {
    let found = Command::new("node").arg("--version").output();
    let version = match &found {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned()
        }
        Ok(_) | Err(_) => String::new(),
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _)) {
        return Ok(());
    }
    let state = if version.is_empty() { "is not on PATH".into() } else { format!("is {version}") };
    Err(format!(
        "the pages need Node 20.19 or 22.12 (or later) to be built, and `node` {state}\n\
         install it: `apt-get install nodejs npm` where new enough, else from nodejs.org\n\
         or build without the pages: `cargo build --no-default-features`, or GENGFU_PAGES=skip\n\
         or take ready ones: GENGFU_PAGES=/folder/with/index.html"
    )
    .into())
}

fn modules_are_old() -> bool {
    let changed = |path: &str| fs::metadata(path).and_then(|file| file.modified()).ok();
    // npm writes this file last, so an interrupted install is seen as none.
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Some(installed), Some(locked)) => installed < locked,
        (None, _) | (_, None) => true,
    }
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    // What the tool itself says, and nothing of ours: it knows better.
    let said = [stdout, stderr].concat();
    Err(format!("{command:?} ended with {status}\n{}", String::from_utf8_lossy(&said)).into())
}

fn empty(folder: &Path) -> std::io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
