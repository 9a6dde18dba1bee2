//! A plug of one maker and an edge node of another: their readings are on the page.

use anyhow::{Context, Result};
use e2e::broker::Broker;
use e2e::device::Device;
use e2e::gateway::{CONFIG, Gateway};
use e2e::world::{World, repository, story, wait_for};
use serde_json::Value;

/// What the engineer writes into the site book: three lines for a plug of a known kind.
const MAPPINGS: &str = r#"
[[mapping]]
id = "plugs"
preset = "tasmota"

[[mapping]]
id = "counters"
preset = "shelly-gen1-em"

[[mapping]]
id = "plant"
kind = "sparkplug"
group = "Hospital"
value = [
  { quantity = "ActiveEnergyImport", metric = "Energy/Import" },
  { quantity = "ActivePower", metric = "Power" },
]

[[meter]]
id = "kettle"
name = "开水器"
area = "office-1f-hall"
mapping = "plugs"
device = "sonoff_desk"

[[meter]]
id = "pump"
name = "水泵"
area = "office-1f-hall"
mapping = "counters"
device = "shellyem-B9E265"
channel = "0"

[[meter]]
id = "ward"
name = "病房"
area = "office-1f-hall"
mapping = "plant"
device = "edge-1/meter-a"
"#;

/// As Tasmota publishes it, with its own local time.
const PLUG: &str = r#"{"Time":"2026-05-04T08:00:30","ENERGY":{"TotalStartTime":"2022-03-20T15:20:48","Total":514.153,"Yesterday":1.495,"Today":0.537,"Period":0,"Power":56,"ApparentPower":92,"ReactivePower":73,"Factor":0.61,"Voltage":234,"Current":0.392}}"#;

#[test]
fn a_plug_and_an_edge_node_behind_a_broker_are_read_like_any_meter() {
    story("other-peoples-meters", |world| {
        let broker = Broker::start(world)?;
        let address = format!("127.0.0.1:{}", broker.port);
        let sections = format!("[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port);
        let gateway = start(world, &sections)?;

        read_all(&gateway, &address)?;

        let plug = Device::connect("plug", &address, None)?;
        plug.publish("tele/sonoff_desk/SENSOR", &vec![b'x'; 10 << 20])?;
        wait_for("the count of what is too long", || {
            let count = gateway.counter("gengfu_packs_rejected_total{reason=\"too-long\"}")?;
            Ok((count == 1).then_some(()))
        })?;
        gateway.wait("the notice that payloads were put aside", "/api/v1/status", |status| {
            let mut notices = status["notices"].as_array()?.iter();
            notices.any(|it| it["code"] == "payloads_rejected").then_some(())
        })
    });
}

#[test]
fn a_plug_and_an_edge_node_without_a_broker_are_read_like_any_meter() {
    story("other-peoples-meters-alone", |world| {
        let gateway = start(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;

        read_all(&gateway, gateway.listener()?)?;

        gateway.wait("the notice of the edge node's death", "/api/v1/status", |status| {
            let mut notices = status["notices"].as_array()?.iter();
            notices.any(|it| it["code"] == "node_gone").then_some(())
        })
    });
}

fn start(world: &mut World, sections: &str) -> Result<Gateway> {
    world.at("2026-05-04T08:01:00+08:00", 1)?;
    Gateway::configure(world, sections)?;
    let demo = std::fs::read_to_string(repository().join("gateway/src/demo/site.toml"))?;
    world.file("site.toml", &format!("{demo}{MAPPINGS}"))?;
    world.carry_out(&["import", "--config", CONFIG, "site.toml"])?;
    world.file("plug.json", PLUG)?;
    let tried = ["--try-payload", "plug.json", "--topic", "tele/sonoff_desk/SENSOR"];
    let tried = [&["check", "--site-book", "site.toml"][..], &tried].concat();
    let tried = world.carry_out(&tried)?;
    let line = "kettle ActiveEnergyImport = 514153 Wh at 2026-05-04T08:00:30+08:00";
    anyhow::ensure!(tried.contains(line), "no line `{line}` in: {tried}");
    let gateway = Gateway::start(world)?;
    gateway.set_up()?;
    Ok(gateway)
}

/// Devices tell their values from time to time; an edge node tells its birth when asked.
fn read_all(gateway: &Gateway, address: &str) -> Result<()> {
    let plug = Device::connect("DVES_8F3A21", address, None)?;
    let value = wait_for("the plug's counter", || {
        plug.say("tele/sonoff_desk/SENSOR", PLUG.as_bytes())?;
        last(gateway, "kettle", "ActiveEnergyImport")
    })?;
    anyhow::ensure!(value == 514_153_000, "the plug's counter is {value}");
    let counts = gateway.get("/api/v1/meters/kettle")?["counts"].clone();
    // However often it said so, it is one reading; and what was lost nobody knows.
    anyhow::ensure!(counts["received"] == 1 && counts["lost"].is_null(), "{counts}");

    let value = wait_for("the pump's counter", || {
        plug.say("shellies/shellyem-B9E265/emeter/0/power", b"501.83")?;
        plug.say("shellies/shellyem-B9E265/emeter/0/total", b"6644.9")?;
        last(gateway, "pump", "ActiveEnergyImport")
    })?;
    anyhow::ensure!(value == 6_644_900, "the pump's counter is {value}");

    let death = golden("ndeath")?;
    let edge =
        Device::connect("edge-1", address, Some(("spBv1.0/Hospital/NDEATH/edge-1", &death)))?;
    edge.subscribe("spBv1.0/Hospital/NCMD/edge-1")?;
    let data = golden("ndata")?;
    let (topic, command) = wait_for("the request for a birth", || {
        edge.say("spBv1.0/Hospital/NDATA/edge-1", &data)?;
        Ok(edge.message())
    })?;
    let asks = command.windows(20).any(|it| it == b"Node Control/Rebirth");
    anyhow::ensure!(topic == "spBv1.0/Hospital/NCMD/edge-1" && asks, "{topic}: {command:?}");
    edge.say("spBv1.0/Hospital/NBIRTH/edge-1", &golden("nbirth")?)?;
    edge.say("spBv1.0/Hospital/DBIRTH/edge-1/meter-a", &golden("dbirth")?)?;
    edge.say("spBv1.0/Hospital/DDATA/edge-1/meter-a", &golden("ddata")?)?;
    wait_for("the ward's counter of the data after the birth", || {
        let value = last(gateway, "ward", "ActiveEnergyImport")?;
        Ok(value.filter(|value| *value == 514_160_000))
    })?;
    Ok(())
}

/// Returns the newest value of a quantity, thousandths of its unit, if there is one.
fn last(gateway: &Gateway, meter: &str, quantity: &str) -> Result<Option<i64>> {
    let detail = gateway.get(&format!("/api/v1/meters/{meter}"))?;
    let values = detail["last_values"].as_array().context("last values")?;
    let found = values.iter().find(|it| it["quantity"] == quantity);
    Ok(found.and_then(|it| it["value"].as_i64()).filter(|_| detail["last_at"] != Value::Null))
}

/// Bytes that Eclipse Tahu's encoder made.
fn golden(name: &str) -> Result<Vec<u8>> {
    let path = repository().join("gateway/src/ingest/mapped/golden/sparkplug.txt");
    let text = std::fs::read_to_string(path)?;
    let hex = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let hex = hex.with_context(|| format!("golden bytes `{name}`"))?;
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}
