//! The scoreboard without the gateway around it: builds in seconds.
//!
//! `cargo run --release -p scoreboard --example findings -- DIR [TASK… | PAGE]`; with names of
//! tasks, only those are run; with a page, the strongest findings that touch no label are
//! drawn on it instead.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::PathBuf;

use scoreboard::{Outcome, tasks};

fn main() -> anyhow::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    let asked: Vec<String> = std::env::args().skip(2).collect();
    let is_task = |it: &String| tasks::ALL.iter().any(|task| task.name == it);
    if let Some(page) = asked.iter().find(|it| !is_task(it)) {
        let strong = scoreboard::strongest::strongest(&dir, 10)?;
        let word = |kind: &str| [kind.to_owned(), kind.to_owned()];
        std::fs::write(page, scoreboard::picture::page(&strong, &word))?;
        return Ok(());
    }
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    for task in tasks::ALL.iter().filter(|it| is_asked(it.name)) {
        match (task.run)(&dir)? {
            Outcome::Skipped { task, why } => println!("{task}: skipped, {why}"),
            Outcome::Scored { task, scores } => {
                println!("{task}");
                for it in scores {
                    let within =
                        it.within.map_or(String::new(), |(a, b)| format!("  {a:.3}..{b:.3}"));
                    let met = match it.goal.is_met(it.value) {
                        Some(true) => "  met",
                        Some(false) => "  MISSED",
                        None => "",
                    };
                    println!(
                        "  {:<40} {:>10.4} {}{within}  {:?}{met}",
                        it.key, it.value, it.unit, it.goal
                    );
                }
            }
        }
    }
    Ok(())
}
