//! One request to an InfluxDB 2, and what its answer means for us.
//!
//! In: lines. Out: a [`Verdict`], by what there is to do next.
//!
//! The requests are made by the crate `influxdb2`: its client, its write call with a ready
//! body, its look at the server's health. What it lacks is put around it here: time-outs
//! for a server that says nothing, no proxy of the environment between us and the loopback,
//! no redirect (a POST would arrive as a GET), bodies compressed at level 1; the rest by
//! the [`Bridge`]. Its query path panics on a cut connection and is not used.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use influxdb2::api::write::TimestampPrecision;
use influxdb2::{ClientBuilder, RequestError};
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;

use super::bridge::{Bridge, BridgeError};
use crate::config::InfluxConfig;
use crate::events;

/// How long a request may take: a slow server gets as long for 5,000 lines.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The longest wait that a server may ask for, s: it may be wrong by orders.
const RETRY_AFTER_MAX_S: i64 = 3_600;

/// What is kept of what a server says, in bytes.
const REASON_MAX: usize = 400;

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The way to the server cannot be opened.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Http(String),
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All lines are taken.
    Taken,
    /// Too much at once: half may do.
    TooLarge,
    /// Some line is not taken, whenever it is sent.
    Refused {
        /// What the server says.
        reason: String,
    },
    /// Not now; the same may do later.
    Later {
        /// What kind of trouble it is: `unreachable`, `timeout`, `busy` or `server`.
        class: &'static str,
        /// What the server or the network says.
        reason: String,
        /// How long the server asks us to wait, s.
        after_s: Option<i64>,
    },
    /// Nothing will do until somebody changes a setting, here or there.
    Stopped {
        /// HTTP status.
        status: u16,
        /// What the server says.
        reason: String,
    },
}

/// A client of one InfluxDB.
#[derive(Debug)]
pub struct Client {
    bridge: Bridge,
    writing: influxdb2::Client,
    asking: influxdb2::Client,
    bucket: String,
}

impl Client {
    /// Returns a client; the server may be away. A request may take `timeout`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] by what is missing on this machine.
    pub async fn open(config: &InfluxConfig, timeout: Duration) -> Result<Self, ClientError> {
        let bridge = Bridge::open(&config.address, config.ca.as_deref()).await?;
        let mut compressed = HeaderMap::new();
        compressed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let client = |headers: HeaderMap| {
            let token = config.token.as_ref().map_or("", |token| token.reveal());
            let http = builder(timeout).default_headers(headers);
            ClientBuilder::with_builder(http, bridge.url(), &config.org, token)
                .build()
                .map_err(|error| ClientError::Http(events::chain(&error)))
        };
        let (writing, asking) = (client(compressed)?, client(HeaderMap::new())?);
        Ok(Self { bridge, writing, asking, bucket: config.bucket.clone() })
    }

    /// Writes lines; instants are in seconds. `now` is the time that a date in
    /// `Retry-After` is compared with, Unix seconds.
    pub(super) async fn write(&self, lines: &str, now: i64) -> Verdict {
        let body = match compressed(lines) {
            Ok(body) => body,
            Err(error) => {
                let reason = error.to_string();
                return Verdict::Later { class: "server", reason, after_s: None };
            }
        };
        let (org, precision) = (&self.writing.org, TimestampPrecision::Seconds);
        let written = self
            .writing
            .write_line_protocol_with_precision(org, &self.bucket, body, precision)
            .await;
        match written {
            Ok(()) => Verdict::Taken,
            Err(error) => self.judged(error, now),
        }
    }

    /// Asks the server how it is; returns its name and version, as far as it tells them.
    ///
    /// # Errors
    ///
    /// What keeps us from it, in words.
    pub async fn greet(&self) -> Result<String, String> {
        match self.asking.health().await {
            Ok(health) => {
                let version = health.version.unwrap_or_default();
                Ok(format!("{} {version}", health.name).trim().to_owned())
            }
            // A server that speaks the write path alone is well enough.
            Err(RequestError::Http { status, .. }) if status.as_u16() != 502 => Ok(String::new()),
            Err(RequestError::ReqwestProcessing { source }) if source.is_decode() => {
                Ok(String::new())
            }
            Err(RequestError::Http { text, .. }) => Err(text),
            Err(error) => Err(events::chain(&error)),
        }
    }

    fn judged(&self, error: RequestError, now: i64) -> Verdict {
        let (status, text) = match error {
            RequestError::Http { status, text } => (status.as_u16(), shortened(&text)),
            RequestError::ReqwestProcessing { source } if source.is_timeout() => {
                let reason = "no answer in time".to_owned();
                return Verdict::Later { class: "timeout", reason, after_s: None };
            }
            RequestError::ReqwestProcessing { source } => {
                let reason = shortened(&events::chain(&source));
                return Verdict::Later { class: "unreachable", reason, after_s: None };
            }
            RequestError::Serializing { source } => {
                let reason = source.to_string();
                return Verdict::Later { class: "server", reason, after_s: None };
            }
            RequestError::Deserializing { text } => {
                return Verdict::Later { class: "server", reason: text, after_s: None };
            }
        };
        let after_s = self.bridge.retry_after().and_then(|text| retry_after_s(&text, now));
        match status {
            // The crate takes nothing but 204 for a success; some proxies say 200.
            200..=299 => Verdict::Taken,
            413 => Verdict::TooLarge,
            400 | 422 => Verdict::Refused { reason: text },
            429 => Verdict::Later { class: "busy", reason: text, after_s },
            502 => Verdict::Later { class: "unreachable", reason: text, after_s },
            408 | 500..=599 => Verdict::Later { class: "server", reason: text, after_s },
            status => Verdict::Stopped { status, reason: text },
        }
    }
}

/// Returns the HTTP client beneath: what influxdb2 leaves open is closed here.
pub(super) fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        // The bridge speaks nothing else, and the h2 0.3 beneath has an open advisory.
        .http1_only()
        .redirect(Policy::none())
        .timeout(timeout)
        // A request a second at most: a connection kept would only be one that the other
        // side may have closed meanwhile.
        .pool_max_idle_per_host(0)
}

/// Compresses at level 1: measured, it halves twice what goes over the line, and costs less
/// than building the lines does.
fn compressed(lines: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines.as_bytes())?;
    encoder.finish()
}

/// Reads `Retry-After`: seconds, or a date.
fn retry_after_s(text: &str, now: i64) -> Option<i64> {
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => rfc2822::parse(text).ok()?.timestamp().as_second().saturating_sub(now),
    };
    (0 < seconds).then(|| seconds.min(RETRY_AFTER_MAX_S))
}

/// Returns what a server says, in one line of bounded length; of a JSON body its message.
fn shortened(text: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let message = json
        .as_ref()
        .and_then(|json| json.get("message").or_else(|| json.get("error")))
        .and_then(|message| message.as_str());
    let message = message.unwrap_or(text).trim();
    let end = message.floor_char_boundary(REASON_MAX);
    message.get(..end).unwrap_or_default().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_has_a_bound() {
        let now = 1_445_412_480;

        assert_eq!(retry_after_s("17", now), Some(17));
        assert_eq!(retry_after_s("Wed, 21 Oct 2015 07:29:00 GMT", now), Some(60));
        assert_eq!(retry_after_s("999999999", now), Some(RETRY_AFTER_MAX_S));
        for nothing in ["", "0", "-5", "soon", "Wed, 21 Oct 2015 07:27:00 GMT"] {
            assert_eq!(retry_after_s(nothing, now), None, "{nothing}");
        }
    }

    #[test]
    fn of_a_json_body_the_message_is_kept() {
        let body = r#"{"code":"invalid","message":"unable to parse 'x': missing fields"}"#;

        assert_eq!(shortened(body), "unable to parse 'x': missing fields");
        assert_eq!(shortened("{\"error\":\"a\\nb\"}"), "a b");
        assert_eq!(shortened(&"水".repeat(1_000)).len(), 399);
    }
}
