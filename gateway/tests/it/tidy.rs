//! The house keeps its order: who may use whom, how long a file may be, what never lands.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test outside a #[test] function")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the gateway from bottom to top, and what of the crate each may use.
///
/// `ingest`, `alert`, `report` and `web` are siblings: none uses another. `run` and `demo`
/// build and join the rooms, `bench` measures them; `main` only starts them.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("health", &[]),
    ("events", &[]),
    ("document", &[]),
    ("words", &[]),
    ("live", &[]),
    ("authority", &[]),
    ("config", &["document"]),
    ("tls", &["config", "events"]),
    ("site_book", &["document"]),
    ("plan", &["site_book"]),
    ("letter", &["words"]),
    ("store", &["clock", "events"]),
    // Its tests read the demo's site book.
    ("influx", &["clock", "config", "events", "health", "site_book", "store"]),
    ("ingest", &["clock", "config", "events", "health", "site_book", "store", "tls"]),
    ("record", &["clock", "events", "health", "ingest", "live", "store"]),
    ("courier", &["clock", "events", "ingest", "live", "store"]),
    ("node", &["clock", "config", "events", "tls"]),
    ("ledger", &["clock", "site_book", "store"]),
    ("keep", &["clock", "config", "events", "health", "ledger", "store"]),
    ("alert", &["letter", "store", "words"]),
    ("watch", &["alert", "clock", "events", "health", "ledger", "letter", "live", "store"]),
    ("mail", &["clock", "config", "events", "health", "store"]),
    ("report", &["letter", "store", "words"]),
    ("web", &["clock", "events", "health", "ledger", "live", "site_book", "store", "words"]),
];

/// What each crate may depend on of ours.
const CRATES: &[(&str, &[&str])] = &[
    ("firmware/wire", &[]),
    ("firmware", &["line-time", "wire"]),
    ("firmware/line-time", &[]),
    ("firmware/simulator", &["wire"]),
    ("gateway/analysis", &["wire"]),
    ("gateway/scoreboard", &["analysis", "wire"]),
    (
        "gateway",
        &["analysis", "dashboards", "firmware", "line-time", "scoreboard", "simulator", "wire"],
    ),
    ("dashboards", &[]),
    ("tests", &["faults", "wire"]),
    // Its tests open the store on the disks it makes.
    ("tests/faults", &["gateway", "wire"]),
];

/// A module past this length has two subjects; one with a reason says so in its header.
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every file of ours below a folder with one of the endings, as (path from the root, text).
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | "dist" | ".git") {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((shown, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn rooms_used(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split('}').next().unwrap_or_default();
            rooms.extend(group.split(',').map(|item| first_word(item.trim())));
        } else {
            rooms.push(first_word(rest));
        }
    }
    rooms
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn no_room_uses_one_that_it_must_not() {
    let mut faults = Vec::new();
    for (path, text) in files("gateway/src", &[".rs"]) {
        let inside = path.trim_start_matches("gateway/src/");
        let room = inside.split(['/', '.']).next().unwrap_or_default();
        if matches!(room, "main" | "lib" | "run" | "demo" | "bench" | "commands") {
            continue;
        }
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{path}: room `{room}` is not in the table of tidy.rs"));
            continue;
        };
        for used in rooms_used(&text) {
            if !used.is_empty() && used != room && !may_use.contains(&used.as_str()) {
                faults.push(format!("{path}: `{room}` must not use `{used}`"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_crate_depends_on_one_that_it_must_not() {
    let ours: Vec<&str> = vec![
        "analysis",
        "dashboards",
        "firmware",
        "gateway",
        "line-time",
        "scoreboard",
        "simulator",
        "wire",
        "e2e",
        "faults",
    ];
    let mut faults = Vec::new();
    for (folder, may_use) in CRATES {
        let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for name in table.keys().filter(|name| ours.contains(&name.as_str())) {
                if !may_use.contains(&name.as_str()) {
                    faults.push(format!("{folder}: must not depend on `{name}`"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn analysis_and_wire_do_no_input_or_output() {
    let banned = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "tokio",
        "println!",
        "tracing",
    ];
    let mut faults = Vec::new();
    for folder in ["gateway/analysis/src", "firmware/wire/src"] {
        for (path, text) in files(folder, &[".rs"]) {
            for word in banned {
                if text
                    .lines()
                    .any(|line| line.contains(word) && !line.trim_start().starts_with("//"))
                {
                    faults.push(format!("{path}: `{word}` has no business here"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_says_what_it_is_and_has_one_subject() {
    let mut faults = Vec::new();
    for folder in ["gateway", "firmware", "tests"] {
        for (path, text) in files(folder, &[".rs"]) {
            // Tests beside a module are told by the names of their functions.
            if path.ends_with("tests.rs") || path.contains("/src/") && path.contains("/tests/") {
                continue;
            }
            if !text.starts_with("//!") {
                faults.push(format!("{path}: begins without a header that says what it is"));
            }
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&text);
            let lines = code.lines().count();
            if LINES_MAX < lines && !text.lines().take(40).any(|line| line.contains("Long because"))
            {
                faults.push(format!(
                    "{path}: {lines} lines; split it, or say in its header `Long because …`"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_folder_is_a_drawer_for_odds_and_ends() {
    let banned = ["utils", "util", "common", "helpers", "helper", "misc"];
    let mut faults = Vec::new();
    for folder in ["gateway", "firmware", "dashboards", "tests"] {
        for (path, _) in files(folder, &[".rs", ".ts", ".vue"]) {
            if path.split(['/', '.']).any(|part| banned.contains(&part)) {
                faults.push(format!("{path}: name it after what it holds"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    // Written in halves, so that this file does not find itself.
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("#[ign", "ore"),
        concat!("unimpl", "emented!"),
    ];
    let mut faults = Vec::new();
    for folder in ["gateway", "firmware", "dashboards", "tests"] {
        for (path, text) in files(folder, &[".rs", ".ts", ".vue", ".toml", ".md"]) {
            for (number, line) in text.lines().enumerate() {
                if banned.iter().any(|word| line.contains(word)) {
                    faults.push(format!("{path}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn both_languages_have_the_same_words() {
    let read = |name: &str| -> serde_json::Map<String, serde_json::Value> {
        let path = root().join("dashboards/locales").join(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let (zh, en) = (read("zh-CN.json"), read("en.json"));
    let placeholders = |value: &serde_json::Value| {
        let mut found: Vec<String> = value
            .as_str()
            .unwrap_or_default()
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()))
            .collect();
        found.sort();
        found.dedup();
        found
    };

    let mut faults = Vec::new();
    for key in zh.keys().chain(en.keys()) {
        match (zh.get(key), en.get(key)) {
            (Some(a), Some(b)) if placeholders(a) == placeholders(b) => {}
            (Some(_), Some(_)) => faults.push(format!("{key}: placeholders differ")),
            _ => faults.push(format!("{key}: stands in one language only")),
        }
    }

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
