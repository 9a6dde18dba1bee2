//! The address at which a test switches lights and breaks meters.
//!
//! TCP, one JSON object on each line, one JSON object in answer:
//!
//! ```text
//! {"set":"lights","meter":"light-2f-east","on":true,"watts":4000}
//! {"set":"silent","meter":"office-plug","on":true}
//! {"set":"bad_crc","meter":"office-plug","on":true}
//! {"set":"nonsense","meter":"office-plug","on":true}
//! {"set":"delay_ms","meter":"office-plug","ms":700}
//! {"set":"wrong_address","meter":"office-plug","on":true}
//! {"set":"split","meter":"office-plug","on":true}
//! {"set":"noise","meter":"office-plug","on":true}
//! {"set":"leads","meter":"office-plug","count":0}
//! {"get":"meters"}
//! {"get":"counter","meter":"office-plug"}
//! {"get":"coil","meter":"light-2f-east"}
//! ```
//!
//! `at` (Unix seconds) may be added to any; it is now if left out. The answer has `"ok"`, and
//! in case of `false` an `"error"` that says what is allowed. A mistake closes nothing; only
//! a line of more than [`LINE_BYTES_MAX`] bytes does.
//!
//! It has no password: bind it to loopback.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::{Name, Unit};

use crate::campus::Campus;
use crate::script::{ScriptError, ScriptedEvent, Set};
use crate::serve::{Now, stopped};

/// The longest line, with its end.
pub const LINE_BYTES_MAX: u64 = 4_096;

/// Connections at a time; further ones are closed at once.
const CONNECTIONS_MAX: usize = 32;

/// Answers on the control address until `shutdown` holds true or its sender is gone.
pub async fn listen(
    campus: Arc<Campus>,
    listener: TcpListener,
    now: Now,
    shutdown: watch::Receiver<bool>,
) {
    let mut talks = JoinSet::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    while talks.try_join_next().is_some() {}
                    if talks.len() < CONNECTIONS_MAX {
                        talks.spawn(talk(client, Arc::clone(&campus), Arc::clone(&now)));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stopped(shutdown) => {}
    }
}

async fn talk(client: TcpStream, campus: Arc<Campus>, now: Now) {
    let (from_client, mut to_client) = client.into_split();
    let mut lines = BufReader::new(from_client);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let too_long = line.last() != Some(&b'\n') && LINE_BYTES_MAX <= line.len() as u64;
        let answer = if too_long {
            refusal(&format!("a line has at most {LINE_BYTES_MAX} bytes"))
        } else {
            answer(&campus, &line, now())
        };
        let mut bytes = answer.to_string().into_bytes();
        bytes.push(b'\n');
        if to_client.write_all(&bytes).await.is_err() || too_long {
            return;
        }
    }
}

/// Returns the answer to one line.
#[must_use]
pub fn answer(campus: &Campus, line: &[u8], now: i64) -> Value {
    match answered(campus, line, now) {
        Ok(answer) => answer,
        Err(error) => refusal(&error.to_string()),
    }
}

/// Why a line is refused.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error("the line is no JSON object: {0}")]
    Json(serde_json::Error),
    #[error(
        "the line has neither `set` (lights, silent, bad_crc, nonsense, delay_ms, wrong_address, split, noise, leads) \
         nor `get` (meters, counter, coil)"
    )]
    NoVerb,
    #[error("`get` is `{0}`, allowed are meters, counter, coil")]
    UnknownGet(String),
    #[error("cannot `set`: {0}; allowed are lights, silent, bad_crc, nonsense, delay_ms")]
    Set(serde_json::Error),
    #[error("`{0}` is missing or no text")]
    NoText(&'static str),
    #[error("`at` is no whole number of Unix seconds")]
    At,
    #[error(transparent)]
    Script(#[from] ScriptError),
}

fn answered(campus: &Campus, line: &[u8], now: i64) -> Result<Value, ControlError> {
    let asked: serde_json::Map<String, Value> =
        serde_json::from_slice(line).map_err(ControlError::Json)?;
    let at = match asked.get("at") {
        None => now,
        Some(at) => at.as_i64().ok_or(ControlError::At)?,
    };
    if asked.contains_key("set") {
        let meter = meter(&asked)?;
        let set = Set::deserialize_from(asked).map_err(ControlError::Set)?;
        campus.set(ScriptedEvent { at, meter, set })?;
        tracing::info!(%meter, ?set, at, "set");
        return Ok(json!({ "ok": true, "at": at }));
    }
    match asked.get("get").map(|get| get.as_str().unwrap_or_default()) {
        None => Err(ControlError::NoVerb),
        Some("meters") => Ok(json!({ "ok": true, "at": at, "meters": meters(campus) })),
        Some("counter") => counter(campus, &meter(&asked)?, at),
        Some("coil") => {
            let meter = meter(&asked)?;
            let unknown = || ScriptError::UnknownMeter { meter: meter.to_string() };
            let coil = campus.coil_of(&meter).ok_or_else(unknown)?;
            Ok(json!({ "ok": true, "on": coil.on, "writes": coil.writes }))
        }
        Some(other) => Err(ControlError::UnknownGet(other.to_owned())),
    }
}

fn meter(asked: &serde_json::Map<String, Value>) -> Result<Name, ControlError> {
    let text = asked.get("meter").and_then(Value::as_str).ok_or(ControlError::NoText("meter"))?;
    let unknown = |_| ScriptError::UnknownMeter { meter: text.chars().take(64).collect() };
    Ok(Name::new(text).map_err(unknown)?)
}

fn meters(campus: &Campus) -> Vec<Value> {
    let described = campus.meters().map(|spec| {
        json!({
            "meter": spec.meter.as_str(),
            "parent": spec.parent.as_ref().map(Name::as_str),
            "model": spec.model,
            "bus": spec.bus.as_str(),
            "unit_id": spec.address.number(),
        })
    });
    described.collect()
}

fn counter(campus: &Campus, meter: &Name, at: i64) -> Result<Value, ControlError> {
    let unknown = || ScriptError::UnknownMeter { meter: meter.to_string() };
    let (spec, quantity) = campus.described(meter).ok_or_else(unknown)?;
    let amount = campus.counter_at(meter, at).ok_or_else(unknown)?;
    let rate = campus.power_at(meter, at).ok_or_else(unknown)?;
    let (amount_key, rate_key) = if spec.source.column.unit() == Unit::WattHour {
        ("counter_mwh", "power_mw")
    } else {
        ("counter_ml", "flow_ml_per_h")
    };
    Ok(json!({
        "ok": true,
        "at": at,
        "meter": meter.as_str(),
        "quantity": quantity.name(),
        amount_key: amount,
        rate_key: rate,
    }))
}

fn refusal(error: &str) -> Value {
    json!({ "ok": false, "error": error })
}

#[cfg(test)]
mod tests;
