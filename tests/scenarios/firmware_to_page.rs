//! A meter's register, through the true image of a microcontroller, to a number on a page.

use anyhow::Context;
use e2e::board::Board;
use e2e::broker::Broker;
use e2e::browser::browse;
use e2e::field::Field;
use e2e::gateway::{Gateway, PASSWORD, instant};
use e2e::world::{story, wait_for};
use serde_json::json;

const METER: &str = "light-2f-east";

#[test]
fn a_register_is_read_by_a_microcontroller_and_stands_on_the_page() {
    story("firmware-to-page", |world| {
        world.at("2026-11-20T10:00:00+08:00", 60)?;
        let broker = Broker::start(world)?;
        let sections = format!("[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port);
        Gateway::configure(world, &sections)?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        field.tell(&json!({ "set": "lights", "meter": METER, "on": true, "watts": 90_000 }))?;

        let _board = Board::start(world, "node-office", &field.office, broker.port)?;

        wait_for("a reading of each of the office's meters", || {
            let answer = gateway.get("/api/v1/meters")?;
            let meters = answer["meters"].as_array().context("meters")?;
            let heard = meters.iter().filter(|it| !it["last_at"].is_null()).count();
            Ok((heard == 8).then_some(()))
        })?;
        let detail = gateway.get(&format!("/api/v1/meters/{METER}"))?;
        let counts = detail["counts"].clone();
        assert_eq!((&counts["lost"], &counts["duplicate"]), (&json!(0), &json!(0)), "{counts}");
        let at = instant(&detail["last_at"])?;
        let told = field.tell(&json!({ "get": "counter", "meter": METER, "at": at }))?;
        let power_mw = told["power_mw"].as_i64().context("a power")?;

        let seen = browse(world, "meter.mjs", &[&gateway.url, PASSWORD, METER])?;

        // Ninety kilowatts of lamps, and what the replayed meter itself says meanwhile.
        let shown: f64 = seen["power"].as_str().context("a number")?.parse()?;
        assert_eq!(seen["unit"], "kW", "{seen}");
        let true_kw = f64::from(i32::try_from(power_mw / 1000)?) / 1000.0;
        assert!((shown - true_kw).abs() < 10.0 && 90.0 <= shown, "{seen}, truly {true_kw} kW");
        Ok(())
    });
}
