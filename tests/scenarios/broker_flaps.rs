//! Cables are pulled and the broker restarted again and again; no reading is lost.
//!
//! In `make test` six times within half a minute. `GENGFU_SOAK_MINUTES=1440` pulls each
//! minute for a day, with nodes that poll each minute as they do in a building.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::broker::Broker;
use e2e::field::Field;
use e2e::gateway::{Gateway, instant};
use e2e::plug::Plug;
use e2e::world::{pass, soak_minutes, story, wait_for, wait_within};
use serde_json::Value;

/// What is pulled, in turn.
#[derive(Clone, Copy, Debug)]
enum Flap {
    Node,
    Gateway,
    Both,
    Broker,
}

const FLAPS: [Flap; 6] =
    [Flap::Node, Flap::Gateway, Flap::Both, Flap::Broker, Flap::Gateway, Flap::Broker];

#[test]
fn a_broker_and_cables_that_flap_cost_no_reading() {
    story("broker-flaps", |world| {
        let soak = soak_minutes();
        let (speed, rounds, up, down) = match soak {
            None => (60, FLAPS.len(), Duration::from_millis(2_500), Duration::from_millis(1_500)),
            Some(minutes) => (1, minutes, Duration::from_secs(50), Duration::from_secs(10)),
        };
        world.at("2026-11-20T10:00:00+08:00", speed)?;
        let mut broker = Broker::start(world)?;
        let (to_gateway, to_node) = (Plug::to(broker.port)?, Plug::to(broker.port)?);
        let port = to_gateway.address().port();
        Gateway::configure(
            world,
            &format!("[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {port}\n"),
        )?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let field = Field::start(world)?;
        let _node = field.office_node(world, &to_node.address().to_string())?;
        all_heard_since(&gateway, 0)?;

        let mut days = BTreeMap::new();
        for (flap, round) in FLAPS.into_iter().cycle().zip(0..rounds) {
            match flap {
                Flap::Node => to_node.pull(),
                Flap::Gateway => to_gateway.pull(),
                Flap::Both => {
                    to_node.pull();
                    to_gateway.pull();
                }
                Flap::Broker => {
                    let port = broker.port;
                    broker.stop()?;
                    pass(down);
                    broker = Broker::start_on(world, port)?;
                }
            }
            pass(down);
            to_gateway.plug();
            to_node.plug();
            pass(up);
            count(&gateway, &mut days)?;
            if soak.is_some() {
                println!("round {round}, {flap:?}: {:?}", sum(&days));
            }
        }
        all_heard_since(&gateway, gateway.now()?)?;
        // What was under way when a cable was pulled may come after what was read later.
        let all = wait_for("every number of every meter", || {
            count(&gateway, &mut days)?;
            let all = sum(&days);
            Ok((all.lost == 0 && all.expected == all.received).then_some(all))
        });
        println!("{rounds} flaps: {:?}", sum(&days));
        let all = all.with_context(|| format!("{days:?}"))?;
        // Eight meters, each in most of the minutes; a busy machine may skip some.
        assert!(8 * 8 <= all.received, "{all:?}");
        Ok(())
    });
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    expected: u64,
    received: u64,
    late: u64,
    lost: u64,
    duplicate: u64,
}

/// Notes what is counted today of each of the office's meters.
fn count(gateway: &Gateway, days: &mut BTreeMap<(String, String), Counts>) -> Result<()> {
    for id in office_meters(gateway)? {
        let counts = gateway.get(&format!("/api/v1/meters/{id}"))?["counts"].clone();
        let figure = |key: &str| counts[key].as_u64().with_context(|| format!("{key}: {counts}"));
        let now = Counts {
            expected: figure("expected")?,
            received: figure("received")?,
            late: figure("late")?,
            lost: figure("lost")?,
            duplicate: figure("duplicate")?,
        };
        days.insert((counts["date"].as_str().context("a date")?.to_owned(), id), now);
    }
    Ok(())
}

fn sum(days: &BTreeMap<(String, String), Counts>) -> Counts {
    days.values().fold(Counts::default(), |sum, day| Counts {
        expected: sum.expected + day.expected,
        received: sum.received + day.received,
        late: sum.late + day.late,
        lost: sum.lost + day.lost,
        duplicate: sum.duplicate + day.duplicate,
    })
}

fn office_meters(gateway: &Gateway) -> Result<Vec<String>> {
    let answer = gateway.get("/api/v1/meters")?;
    let meters = answer["meters"].as_array().context("meters")?;
    let office = meters.iter().filter(|meter| meter["building"]["id"] == "office");
    office.map(|meter| Ok(meter["id"].as_str().context("an id")?.to_owned())).collect()
}

/// Waits until each of the office's eight meters was read after an instant.
fn all_heard_since(gateway: &Gateway, since: i64) -> Result<()> {
    let heard = || {
        let answer = gateway.get("/api/v1/meters")?;
        let heard_at = |meter: &Value| instant(&meter["last_at"]).is_ok_and(|at| since < at);
        let office = answer["meters"].as_array().into_iter().flatten();
        let office = office.filter(|meter| meter["building"]["id"] == "office");
        Ok((office.filter(|meter| heard_at(meter)).count() == 8).then_some(()))
    };
    match soak_minutes() {
        None => wait_for("a reading of each of the eight meters", heard),
        // At the pace of a building: a poll a minute, and a minute to connect again.
        Some(_) => wait_within("a reading of each meter", Duration::from_secs(300), heard),
    }
}
