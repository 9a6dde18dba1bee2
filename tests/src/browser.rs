//! A real browser: Chromium, driven by playwright-core from the pages' own packages.

use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use crate::world::{World, repository};

/// Runs a script of `tests/browser` with arguments and returns the JSON it prints last.
///
/// The script gets the address of the pages first; it throws if the page is not as it
/// should be, and what it saw stays as a picture in the story's folder.
pub fn browse(world: &World, script: &str, arguments: &[&str]) -> Result<Value> {
    let output = Command::new("node")
        .arg(repository().join("tests/browser").join(script))
        .args(arguments)
        .env("STORY_FOLDER", world.folder())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    world.file(&format!("{script}.log"), &format!("{printed}\n{complained}"))?;
    anyhow::ensure!(output.status.success(), "{script}: {complained}");
    let last = printed.lines().last().unwrap_or("null");
    Ok(serde_json::from_str(last)?)
}
