//! A small site has no broker: nodes connect to the gateway itself.

use std::collections::BTreeMap;

use anyhow::Context;
use e2e::field::Field;
use e2e::gateway::{Gateway, instant};
use e2e::world::story;
use serde_json::{Value, json};

#[test]
fn a_site_without_a_broker_gets_every_meter_and_its_very_counter() {
    story("own-listener", |world| {
        world.at("2026-11-20T10:00:00+08:00", 20)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;

        let _office = field.office_node(world, gateway.listener()?)?;
        let _campus = field.campus_node(world, gateway.listener()?)?;

        let meters = gateway.wait("a reading of all 13 meters", "/api/v1/meters", |answer| {
            let meters = answer["meters"].as_array()?;
            let all = meters.len() == 13 && meters.iter().all(|it| !it["last_at"].is_null());
            all.then(|| meters.clone())
        })?;
        for meter in &meters {
            let id = meter["id"].as_str().context("an id")?;
            let detail = gateway.get(&format!("/api/v1/meters/{id}"))?;
            same_counter(&field, id, &detail)?;
        }
        Ok(())
    });
}

/// Compares the counter that the API tells with what the simulator says its meter showed at
/// that instant. Registers are coarser than the simulator's own integers, and a poll takes
/// a moment: what lies between the seconds before and after, rounded to the register, will do.
fn same_counter(field: &Field, id: &str, detail: &Value) -> anyhow::Result<()> {
    let values: BTreeMap<&str, &Value> = detail["last_values"]
        .as_array()
        .context("last values")?
        .iter()
        .filter_map(|it| Some((it["quantity"].as_str()?, it)))
        .collect();
    let told = |at: i64| field.tell(&json!({ "get": "counter", "meter": id, "at": at }));
    let quantity = told(0)?["quantity"].as_str().context("a quantity")?.to_owned();
    let last = values.get(quantity.as_str()).with_context(|| format!("{quantity} of {id}"))?;
    let value = last["value"].as_i64().with_context(|| format!("a value of {id}: {last}"))?;
    let at = instant(&last["at"])?;
    let counter = |at: i64| -> anyhow::Result<i64> {
        let told = told(at)?;
        let counter = told.get("counter_mwh").or_else(|| told.get("counter_ml"));
        counter.and_then(Value::as_i64).with_context(|| format!("a counter in {told}"))
    };
    // The instant is the poll's end; at twenty times the pace a poll may take a minute.
    let (before, after) = (counter(at - 60)?, counter(at + 1)?);
    let step = 100_000;
    anyhow::ensure!(
        before - step <= value && value <= after + step,
        "{id}: {value} does not lie between {before} and {after}"
    );
    Ok(())
}
