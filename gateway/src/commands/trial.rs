//! What messages of other people's devices would become, without storing anything.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wire::{Value, message};

use super::say;
use crate::ingest::gate::Reason;
use crate::ingest::mapped::{Delivery, Fault, MappedGate, Mappings};
use crate::site_book::SiteBook;

/// Messages to try, each with its topic.
pub(super) struct Trial<'a> {
    /// Files that hold one message each.
    pub(super) payloads: &'a [PathBuf],
    /// Where each was published.
    pub(super) topics: &'a [String],
}

impl Trial<'_> {
    /// Refuses messages without a topic and topics without a message.
    pub(super) fn is_paired(&self) -> Result<()> {
        let (payloads, topics) = (self.payloads.len(), self.topics.len());
        if payloads != topics {
            bail!("{payloads} messages to try, but {topics} topics: give `--topic` once for each");
        }
        Ok(())
    }

    /// Says what the messages would become: a line for each reading, or why there is none.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or no reading came of any.
    pub(super) fn carry_out(&self, book: SiteBook, now: i64) -> Result<()> {
        let gate =
            MappedGate::fixed(Mappings { mappings: book.mappings, zone: book.site.zone.clone() });
        let mut readings = 0;
        for (path, topic) in self.payloads.iter().zip(self.topics) {
            let payload = std::fs::read(path)
                .with_context(|| format!("cannot read the message `{}`", path.display()))?;
            say(format!("{topic} ({} bytes)", payload.len()));
            let Some(outcome) = gate.check(topic, &payload, now, Delivery::default()) else {
                say("  nothing: no mapping names this topic");
                continue;
            };
            for arrival in &outcome.arrivals {
                let (pack, at) = (&arrival.pack, instant(arrival.pack.instant, &book.site.zone));
                let clock = match pack.clock {
                    message::Clock::Synced => "",
                    message::Clock::Estimated => " (time of receipt)",
                };
                for reading in pack.readings.iter() {
                    readings += 1;
                    let (meter, value) = (pack.meter, shown(reading));
                    say(format!("  {meter} {} = {value} at {at}{clock}", reading.quantity.name()));
                }
            }
            for fault in &outcome.faults {
                say(format!("  not taken: {}", told(fault)));
            }
            if outcome.arrivals.is_empty() && outcome.faults.is_empty() {
                say("  nothing in it is mapped");
            }
        }
        match readings {
            0 if !self.payloads.is_empty() => bail!("no reading came of it"),
            _ => Ok(()),
        }
    }
}

fn instant(at: i64, zone: &jiff::tz::TimeZone) -> String {
    match jiff::Timestamp::from_second(at) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        Err(_) => at.to_string(),
    }
}

fn shown(reading: &wire::Reading) -> String {
    match reading.value {
        Value::Absent(reason) => format!("none ({})", reason.code()),
        Value::Measured(value) => {
            let (whole, part) = (value.unsigned_abs() / 1_000, value.unsigned_abs() % 1_000);
            let sign = if value < 0 { "-" } else { "" };
            let number = format!("{sign}{whole}.{part:03}");
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {}", reading.quantity.unit().symbol()).trim_end().to_owned()
        }
    }
}

/// Says what was wrong, and what to do about it.
fn told(fault: &Fault) -> String {
    let about = &fault.about;
    match fault.reason {
        Reason::Unreadable => "it is not JSON, or not what Sparkplug writes".to_owned(),
        Reason::TooLong => "it is longer than 64 KiB".to_owned(),
        Reason::UnknownDevice => {
            format!("no meter with this mapping has `device = \"{about}\"` (and that `channel`)")
        }
        Reason::WrongType => format!("what stands there for {about} is no number"),
        Reason::NoValue => "nothing stands at any of the mapped places".to_owned(),
        Reason::NoTime => "there is no time where the mapping looks for one".to_owned(),
        Reason::NoUnit => format!("neither mapping nor birth tells the unit of `{about}`"),
        Reason::Future => format!("its time is more than 5 minutes ahead ({about})"),
        Reason::TooOld => format!("its time is before 2020: a clock that was never set ({about})"),
        Reason::Unwanted => format!("a condition wants `{about}`"),
        Reason::NoBirth => format!("`{about}` has not told its birth; try that first"),
        Reason::Repeat => "it says the same again, without a time of its own".to_owned(),
        Reason::Retained | Reason::UnknownNode | Reason::UnknownMeter | Reason::ForeignTopic => {
            fault.reason.word().to_owned()
        }
    }
}
