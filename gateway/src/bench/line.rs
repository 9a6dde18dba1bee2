//! Packs as others take them: line protocol for servers, JSON for ourselves.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use wire::message::{Clock, Pack};
use wire::{List, Name, Reading, Value};

use super::fleet::QUANTITIES;
use crate::store::Arrival;

/// Appends a line: one field for each measured value, in units, seconds.
pub(super) fn put_line(out: &mut String, arrival: &Arrival) {
    put(out, format_args!("readings,meter={}", arrival.pack.meter));
    let mut before = ' ';
    for reading in arrival.pack.readings.iter() {
        let Value::Measured(value) = reading.value else { continue };
        put(out, format_args!("{before}{}=", reading.quantity.code()));
        put_decimal(out, value);
        before = ',';
    }
    put(out, format_args!(" {}\n", arrival.pack.instant));
}

/// Appends a message as a logger of another make sends it: all values of one meter.
pub(super) fn put_json(out: &mut String, arrival: &Arrival) {
    let Pack { meter, instant, seq, readings, .. } = &arrival.pack;
    put(out, format_args!("{{\"id\":\"{meter}\",\"ts\":{instant},\"sn\":{seq}"));
    for (field, reading) in FIELDS.iter().zip(readings.iter()) {
        let Value::Measured(value) = reading.value else { continue };
        put(out, format_args!(",\"{field}\":"));
        put_decimal(out, value);
    }
    out.push('}');
}

/// Names of [`QUANTITIES`] in a [`Message`].
const FIELDS: [&str; 8] = ["ep", "eo", "qp", "qo", "p", "v", "i", "f"];

#[derive(Deserialize)]
struct Message<'a> {
    id: &'a str,
    ts: i64,
    sn: u32,
    ep: f64,
    eo: f64,
    qp: f64,
    qo: f64,
    p: f64,
    v: f64,
    i: f64,
    f: f64,
}

/// Reads what [`put_json`] wrote.
pub(super) fn from_json(text: &str, node: Name, received: i64) -> Result<Arrival> {
    let it: Message<'_> = serde_json::from_str(text)?;
    let values = [it.ep, it.eo, it.qp, it.qo, it.p, it.v, it.i, it.f];
    let mut readings = List::new();
    for (quantity, value) in QUANTITIES.into_iter().zip(values) {
        let value = Value::Measured(thousandths(value));
        readings.push(Reading { quantity, value }).ok().context("eight of at most 24")?;
    }
    let meter = Name::new(it.id).context("a meter's name")?;
    let pack = Pack { meter, instant: it.ts, boot: 1, seq: it.sn, clock: Clock::Synced, readings };
    Ok(Arrival { node, received, pack })
}

#[expect(clippy::cast_possible_truncation, reason = "meters count less than 2^53 thousandths")]
fn thousandths(value: f64) -> i64 {
    (value * 1_000.0).round() as i64
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A `String` takes all that it is given.
    let _taken = out.write_fmt(text);
}

/// Appends thousandths as a decimal, without zeros at its end.
fn put_decimal(out: &mut String, thousandths: i64) {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.unsigned_abs() / 1_000, thousandths.unsigned_abs() % 1_000);
    match part {
        0 => put(out, format_args!("{sign}{whole}")),
        part if part % 100 == 0 => put(out, format_args!("{sign}{whole}.{}", part / 100)),
        part if part % 10 == 0 => put(out, format_args!("{sign}{whole}.{:02}", part / 10)),
        part => put(out, format_args!("{sign}{whole}.{part:03}")),
    }
}

/// Returns whether a pack has just the quantities that a message has a field for.
pub(super) fn fits_json(arrival: &Arrival) -> bool {
    let quantities = arrival.pack.readings.iter().map(|reading| reading.quantity);
    quantities.eq(QUANTITIES)
}

#[cfg(test)]
mod tests {
    use wire::Quantity;

    use super::*;
    use crate::bench::fleet::{BEGIN, Fleet, Pattern};

    fn first() -> Arrival {
        let mut batch = Vec::new();
        Fleet::new(Pattern::Quarter, 5).unwrap().next_until(BEGIN + 900, 1, &mut batch);
        batch[0]
    }

    #[test]
    fn json_brings_back_the_pack_that_went_in() {
        let arrival = first();
        let mut text = String::new();

        put_json(&mut text, &arrival);

        let back = from_json(&text, arrival.node, arrival.received).unwrap();
        assert!(fits_json(&arrival));
        assert_eq!(back, arrival, "{text}");
    }

    #[test]
    fn a_line_has_a_field_for_each_value() {
        let mut arrival = first();
        let reading = |quantity, value| Reading { quantity, value: Value::Measured(value) };
        let readings = [
            reading(Quantity::ActivePower, -1_250),
            reading(Quantity::VoltageL1, 230_100),
            reading(Quantity::ActiveEnergyImport, 5_000),
            reading(Quantity::Frequency, 49_987),
        ];
        arrival.pack.readings = List::from_slice(&readings).unwrap();
        let mut line = String::new();

        put_line(&mut line, &arrival);

        let codes = readings.map(|reading| reading.quantity.code());
        let instant = arrival.pack.instant;
        let [power, voltage, energy, frequency] = codes;
        let expected = format!(
            "readings,meter=meter-00000 {power}=-1.25,{voltage}=230.1,{energy}=5,\
             {frequency}=49.987 {instant}\n"
        );
        assert_eq!(line, expected);
    }
}
