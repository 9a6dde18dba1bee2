//! Findings that no label explains, listed and drawn so that people can judge them.

use std::path::Path;

use anyhow::Context;
use e2e::browser::browse;
use e2e::world::{repository, story};

#[test]
fn the_strongest_findings_without_a_label_are_drawn_for_people() {
    story("strongest_findings", |world| {
        let data = repository().join("gateway/scoreboard/data");
        let data = data.to_str().context("a path that is text")?;

        let arguments = ["bench", "findings", "--data", data, "--strongest", "10"];
        let listed = world.carry_out(&[&arguments[..], &["--html", "strongest.html"]].concat())?;
        let listed = listed.lines().filter(|line| line.contains("large days")).count();

        assert_eq!(listed, 10);
        let page = world.folder().join("strongest.html");
        assert!(Path::new(&page).is_file());
        let page = format!("file://{}", page.display());
        let seen = browse(world, "strongest.mjs", &[&page])?;
        assert_eq!(seen["faults"], serde_json::json!([]));
        assert_eq!(seen["findings"], 10);
        assert_eq!(seen["drawn"], 10, "each has a line that is seen, and its own time marked");
        assert_eq!(seen["overhang"], 0);
        Ok(())
    });
}
