//! Lights are switched off from the page: once, in time, and read back; or not, and told so.

use anyhow::{Context, Result};
use e2e::broker::Broker;
use e2e::device::Device;
use e2e::field::Field;
use e2e::gateway::{Gateway, instant};
use e2e::world::{World, story, wait_for};
use serde_json::{Value, json};
use wire::message::{Command, CommandResult, Outcome, Task};

const METER: &str = "light-2f-east";
const COMMANDS: &str = "/api/v1/nodes/node-office/commands";
const TOPIC: &str = "gengfu/v1/demo-campus/node-office/command";

/// The coil of the circuit as it stands, and how often it was written.
fn coil(field: &Field) -> Result<(bool, u64)> {
    let told = field.tell(&json!({ "get": "coil", "meter": METER }))?;
    Ok((told["on"].as_bool().context("on")?, told["writes"].as_u64().context("writes")?))
}

fn give(gateway: &Gateway, on: bool, within_s: u32) -> Result<u64> {
    let task = json!({ "kind": "switch", "circuit": METER, "on": on });
    let given = gateway.post(COMMANDS, &json!({ "task": task, "within_s": within_s }))?;
    given["id"].as_u64().with_context(|| format!("a number in {given}"))
}

/// Waits until a command is in a state, and returns what is told of it.
fn told(gateway: &Gateway, id: u64, state: &str) -> Result<Value> {
    gateway.wait(&format!("{state} of {id}"), COMMANDS, |answer| {
        let row = answer["commands"].as_array()?.iter().find(|row| row["id"] == id)?;
        (row["state"] == state).then(|| row.clone())
    })
}

fn encoded(command: &Command) -> Result<Vec<u8>> {
    let mut bytes = [0; Command::BYTES_MAX];
    let len = command.encode(&mut bytes).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(bytes[..len].to_vec())
}

/// Waits until the node says this of a command.
fn answers(ear: &Device, id: u32, outcome: Outcome) -> Result<()> {
    wait_for(&format!("{outcome:?} as the node's answer to {id}"), || {
        while let Some((_, payload)) = ear.message() {
            let result = CommandResult::decode(&payload).ok();
            if result.is_some_and(|it| it.id == id && it.outcome == outcome) {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
}

fn begin(world: &mut World, sections: &str) -> Result<(Gateway, Field)> {
    world.at("2026-11-20T22:50:00+08:00", 20)?;
    Gateway::configure(world, sections)?;
    let gateway = Gateway::start(world)?;
    gateway.set_up()?;
    Ok((gateway, Field::start(world)?))
}

fn with_broker(broker: &Broker) -> String {
    format!("[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port)
}

#[test]
fn lights_are_switched_off_once_and_their_meter_agrees() {
    story("switching", |world| {
        let listen = "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n";
        let (gateway, field) = begin(world, listen)?;
        field.tell(&json!({ "set": "lights", "meter": METER, "on": true, "watts": 6000 }))?;
        let _node = field.office_node(world, gateway.listener()?)?;
        let power = |lit: bool| {
            gateway.wait("the meter's word", &format!("/api/v1/meters/{METER}"), move |meter| {
                let power = meter["power_mw"].as_i64()?;
                ((6_000_000 <= power) == lit).then_some(power)
            })
        };
        power(true)?;

        let shown = gateway.post(COMMANDS, &json!({ "task": { "kind": "identify" } }))?;
        told(&gateway, shown["id"].as_u64().context("a number")?, "done")?;
        let reboot = gateway.post(COMMANDS, &json!({ "task": { "kind": "reboot" } }))?;
        // Its supervisor starts and stops this process.
        told(&gateway, reboot["id"].as_u64().context("a number")?, "refused")?;
        let id = give(&gateway, false, 60)?;
        let done = told(&gateway, id, "done")?;

        assert_eq!((&done["read_back"], &done["by"]), (&false.into(), &"engineer".into()));
        assert_eq!(coil(&field)?, (false, 1));
        power(false)?;
        // No other circuit was touched.
        let others = field.tell(&json!({ "get": "coil", "meter": "light-3f" }))?;
        assert_eq!(others["writes"], 0);
        Ok(())
    });
}

#[test]
fn what_is_played_again_or_comes_late_switches_nothing() {
    story("switching-again", |world| {
        let broker = Broker::start(world)?;
        let address = format!("127.0.0.1:{}", broker.port);
        let (gateway, field) = begin(world, &with_broker(&broker))?;
        let mut node = field.office_node(world, &address)?;
        let ear = Device::connect("ear", &address, None)?;
        ear.subscribe(&format!("{TOPIC}/result"))?;

        let off = told(&gateway, give(&gateway, false, 60)?, "done")?;
        let on = told(&gateway, give(&gateway, true, 60)?, "done")?;
        assert_eq!(coil(&field)?, (true, 2));

        let circuit = METER.parse()?;
        let id = u32::try_from(off["id"].as_u64().context("a number")?)?;
        let until = instant(&off["until"])?;
        let task = Task::Switch { circuit, on: false };
        ear.publish(TOPIC, &encoded(&Command { id, until, task })?)?;
        answers(&ear, id, Outcome::Repeated)?;
        let newest = u32::try_from(on["id"].as_u64().context("a number")?)?;
        let late = Command { id: newest + 1, until: gateway.now()? - 5, task };
        ear.publish(TOPIC, &encoded(&late)?)?;
        answers(&ear, late.id, Outcome::Expired)?;
        let elsewhere = Task::Switch { circuit: "light-1f-hall".parse()?, on: false };
        let unmarked = Command { id: newest + 2, until: gateway.now()? + 600, task: elsewhere };
        ear.publish(TOPIC, &encoded(&unmarked)?)?;
        answers(&ear, unmarked.id, Outcome::Refused)?;
        assert_eq!(coil(&field)?, (true, 2));

        // Also in its next run: the number stands in its file.
        node.kill()?;
        let away = give(&gateway, false, 10)?;
        assert_eq!(told(&gateway, away, "undelivered")?["sent_at"], Value::Null);
        let _node = field.office_node(world, &address)?;
        told(&gateway, give(&gateway, true, 60)?, "done")?;
        ear.publish(TOPIC, &encoded(&Command { id, until: i64::MAX, task })?)?;
        answers(&ear, id, Outcome::Repeated)?;
        assert_eq!(coil(&field)?, (true, 3));
        assert_eq!(told(&gateway, away, "undelivered")?["answered_at"], Value::Null);
        Ok(())
    });
}

#[test]
fn a_gateway_killed_between_order_and_answer_switches_once_and_learns_what_came_of_it() {
    story("switching-killed", |world| {
        let broker = Broker::start(world)?;
        let (mut gateway, field) = begin(world, &with_broker(&broker))?;
        let node = field.office_node(world, &format!("127.0.0.1:{}", broker.port))?;
        told(&gateway, give(&gateway, true, 60)?, "done")?;

        node.pause()?;
        let id = give(&gateway, false, 600)?;
        told(&gateway, id, "sent")?;
        gateway.process.kill()?;
        node.resume()?;
        wait_for("the coil", || Ok((coil(&field)? == (false, 2)).then_some(())))?;
        let gateway = Gateway::start(world)?;
        gateway.log_in()?;

        let done = told(&gateway, id, "done")?;
        assert_eq!(done["read_back"], false);
        assert_eq!(coil(&field)?, (false, 2));
        Ok(())
    });
}
