//! Pictures of every page, in both languages and themes, on a phone and a PC.

use std::time::Duration;

use anyhow::Context;
use e2e::browser::browse;
use e2e::gateway::Gateway;
use e2e::world::{repository, story, wait_within};

#[test]
fn pages_of_the_demo_look_right_and_ask_nobody_else() {
    story("screenshots", |world| {
        let arguments =
            ["demo", "--listen", "127.0.0.1:0", "--weeks", "12", "--speed", "60", "--data", "data"];
        let mut process = world.gengfu("demo", &arguments)?;
        let url = process.line_within("  page ", Duration::from_secs(150))?;
        let login = process.line("  log in ")?;
        let (name, password) = login.split_once(" / ").context("`name / password`")?;
        let gateway = Gateway::of(process, &url);

        let finding = wait_within("lights left on", Duration::from_secs(150), || {
            let answer = gateway.get("/api/v1/findings?state=open&kind=lights_left_on")?;
            let mut findings = answer["findings"].as_array().into_iter().flatten();
            Ok(findings.find(|it| it["meter"]["id"] == "light-2f-east").cloned())
        })?;
        // Other findings of the demo are written about, too.
        let link = format!("{}/patrol#finding-{}", gateway.url, finding["id"]);
        gateway.wait("its mail", "/api/v1/mails", |answer| {
            let mut mails = answer["mails"].as_array()?.iter();
            let names = |mail: &&serde_json::Value| {
                mail["state"] == "sent"
                    && mail["text"].as_str().is_some_and(|it| it.contains(&link))
            };
            mails.find(names).cloned()
        })?;

        let folder = repository().join("tests/screenshots");
        std::fs::create_dir_all(&folder)?;
        let folder = folder.to_str().context("a path that is text")?;
        let seen = browse(world, "screenshots.mjs", &[&gateway.url, name, password, folder])?;
        assert_eq!(seen["faults"], serde_json::json!([]), "finding {finding}");
        assert_eq!(seen["pictures"], 112 + 36);
        Ok(())
    });
}
