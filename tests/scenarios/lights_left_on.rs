//! Somebody forgets the lights, somebody else hears of it, goes there and switches them off.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::broker::Broker;
use e2e::browser::browse;
use e2e::field::Field;
use e2e::gateway::{BASE_URL, Gateway, PASSWORD, instant};
use e2e::mailbox::Mailbox;
use e2e::publisher::Publisher;
use e2e::world::{story, wait_for};
use serde_json::{Value, json};
use wire::message::{Clock, Pack};
use wire::{List, Quantity, Reading};

const METER: &str = "light-2f-east";
const QUARTER_S: i64 = 900;

#[test]
fn lights_left_on_are_mailed_marked_and_close_when_they_go_out() {
    story("lights-left-on", |world| {
        // A working Friday; the area closed at 22:30, and half an hour of grace follows.
        world.at("2026-11-20T22:50:00+08:00", 60)?;
        let (broker, mailbox) = (Broker::start(world)?, Mailbox::start(world)?);
        Gateway::configure(world, &sections(&broker, &mailbox))?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        teach(&gateway, &field, &broker)?;
        let _node = field.office_node(world, &format!("127.0.0.1:{}", broker.port))?;

        field.tell(&json!({ "set": "lights", "meter": METER, "on": true, "watts": 6000 }))?;

        let id = gateway.wait("the finding", "/api/v1/findings?state=open", |answer| {
            about_lights(answer).and_then(|finding| finding["id"].as_i64())
        })?;
        let opened = mailbox.wait("二楼东 灯未关")?;
        let link = format!("{BASE_URL}/patrol#finding-{id}");
        assert!(opened.text.contains(&link), "{}", opened.text);
        assert!(opened.text.contains("23:00"), "{}", opened.text);

        let seen = browse(world, "mark.mjs", &[&gateway.url, PASSWORD, "office-2f-east"])?;
        assert_eq!(seen["place"], "二楼东");
        let path = format!("/api/v1/findings/{id}");
        let mark = gateway.get(&path)?["mark"].clone();
        assert_eq!(
            (mark["kind"].as_str(), mark["by"].as_str()),
            (Some("switched_off"), Some("engineer"))
        );
        assert_eq!(gateway.get(&path)?["state"], "open", "only a meter says that lights are out");

        field.tell(&json!({ "set": "lights", "meter": METER, "on": false }))?;

        let closed =
            gateway.wait("its end", &path, |it| (it["state"] == "closed").then(|| it.clone()))?;
        assert!(closed["waste"].as_i64().is_some_and(|waste| 1_000_000 < waste), "{closed}");
        mailbox.wait("二楼东 灯已关")?;
        let openings = mailbox
            .mails()?
            .into_iter()
            .filter(|it| it.subject.contains("灯未关") && it.subject.contains("二楼东"));
        assert_eq!(openings.count(), 1, "one cause, one mail");
        Ok(())
    });
}

/// Four weeks of the circuit, as an earlier run of the node would have sent them: people of
/// this building work late, so what is usual in it must be learnt.
fn teach(gateway: &Gateway, field: &Field, broker: &Broker) -> Result<()> {
    let now = gateway.now()?;
    let last = now - now % QUARTER_S;
    let mut node = Publisher::new("node-office")?;
    let instants: Vec<i64> = (0..=28 * 96).rev().map(|back| last - back * QUARTER_S).collect();
    let asked: Vec<Value> =
        instants.iter().map(|at| json!({ "get": "counter", "meter": METER, "at": at })).collect();
    for ((seq, &instant), said) in (0..).zip(&instants).zip(field.tell_all(&asked)?) {
        let counter = said["counter_mwh"].as_i64().context("a counter")?;
        let mut readings = List::new();
        let value = wire::Value::Measured(counter);
        readings
            .push(Reading { quantity: Quantity::ActiveEnergyImport, value })
            .ok()
            .context("room for a reading")?;
        let (meter, clock) = (METER.parse()?, Clock::Synced);
        node.owe(Pack { meter, instant, boot: 1, seq, clock, readings });
    }
    node.publish(&format!("127.0.0.1:{}", broker.port), Duration::from_secs(60))?;
    anyhow::ensure!(node.owed() == 0, "{} packs stay", node.owed());
    wait_for("the last of the four weeks", || {
        let meter = gateway.get(&format!("/api/v1/meters/{METER}"))?;
        Ok((!meter["last_at"].is_null() && instant(&meter["last_at"])? == last).then_some(()))
    })
}

fn sections(broker: &Broker, mailbox: &Mailbox) -> String {
    format!(
        "[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\n\n[mail]\nhost = \"127.0.0.1\"\n\
         port = {}\nsecurity = \"none\"\nfrom = \"更夫 <gengfu@demo.example>\"\n",
        broker.port, mailbox.port
    )
}

fn about_lights(answer: &Value) -> Option<&Value> {
    answer["findings"]
        .as_array()?
        .iter()
        .find(|finding| finding["kind"] == "lights_left_on" && finding["meter"]["id"] == METER)
}
