//! The broker's machine is restarted while nodes poll; afterwards nothing is missing.

use anyhow::Context;
use e2e::broker::Broker;
use e2e::field::Field;
use e2e::gateway::{Gateway, instant};
use e2e::world::{story, wait_for};
use serde_json::Value;

#[test]
fn a_broker_that_was_away_costs_no_reading_and_its_notice_goes() {
    story("broker-restarts", |world| {
        world.at("2026-11-20T10:00:00+08:00", 60)?;
        let broker = Broker::start(world)?;
        let sections = format!("[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port);
        Gateway::configure(world, &sections)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        let port = broker.port;
        let _node = field.office_node(world, &format!("127.0.0.1:{port}"))?;
        all_heard_since(&gateway, 0)?;

        let stopped_at = gateway.now()?;
        broker.stop()?;
        gateway.wait("the notice", "/api/v1/status", |status| broker_away(status).then_some(()))?;
        // Ten polls of each meter that can only wait in the node.
        wait_for("ten minutes there", || Ok((stopped_at + 600 <= gateway.now()?).then_some(())))?;
        let _broker = Broker::start_on(world, port)?;
        gateway.wait("its end", "/api/v1/status", |status| (!broker_away(status)).then_some(()))?;

        // The newest come first, and what waited in the node beside them.
        all_heard_since(&gateway, gateway.now()?)?;
        for id in office_meters(&gateway)? {
            let path = format!("/api/v1/meters/{id}");
            let counts = gateway.wait("all that was read", &path, |meter| {
                let counts = &meter["counts"];
                let whole = counts["lost"] == 0 && counts["expected"] == counts["received"];
                whole.then(|| counts.clone())
            })?;
            // Before, during and after; a round of the bus may skip a minute under load.
            assert!(counts["received"].as_i64().is_some_and(|count| 8 <= count), "{id}: {counts}");
        }
        Ok(())
    });
}

fn broker_away(status: &Value) -> bool {
    status["notices"].as_array().into_iter().flatten().any(|it| it["code"] == "broker_away")
}

fn office_meters(gateway: &Gateway) -> anyhow::Result<Vec<String>> {
    let answer = gateway.get("/api/v1/meters")?;
    let meters = answer["meters"].as_array().context("meters")?;
    let office = meters.iter().filter(|meter| meter["building"]["id"] == "office");
    office.map(|meter| Ok(meter["id"].as_str().context("an id")?.to_owned())).collect()
}

/// Waits until each of the office's eight meters was read after an instant.
fn all_heard_since(gateway: &Gateway, since: i64) -> anyhow::Result<()> {
    wait_for("a reading of each of the eight meters", || {
        let mut heard = 0;
        for meter in gateway.get("/api/v1/meters")?["meters"].as_array().into_iter().flatten() {
            if meter["building"]["id"] == "office" && !meter["last_at"].is_null() {
                heard += i32::from(since < instant(&meter["last_at"])?);
            }
        }
        Ok((heard == 8).then_some(()))
    })
}
