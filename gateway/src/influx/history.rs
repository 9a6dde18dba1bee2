//! Reading back: what all sites of one InfluxDB used, day by day.
//!
//! In: two instants. Out: the sums of days that gateways have written between them.
//!
//! By InfluxQL (`/query`), which InfluxDB answers in its versions 1, 2 and 3; the answer
//! comes in chunks, each read as it comes, with a bound on rows and on the length of a
//! chunk. An answer that breaks off is an error and never a shorter answer.
//!
//! Not here: last values and today; each gateway tells them of its own site.

use std::time::Duration;

use analysis::figures::{Figure, SiteDay};
use analysis::site::{Medium, Text};
use serde::Deserialize;
use serde_json::Value;
use wire::Name;

use super::bridge::Bridge;
use super::client::{ClientError, builder};
use crate::config::{InfluxConfig, Secret};
use crate::events;

/// How long an answer may take, to its end.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest chunk, in bytes; 1,000 rows are some 150 KB.
const CHUNK_MAX: usize = 4 * 1024 * 1024;
/// The most rows of one answer: 60 sites with 3 media over 13 months have 72,000.
const ROWS_MAX: usize = 200_000;

const COLUMNS: [&str; 11] = [
    "day",
    "amount",
    "estimated",
    "cost_e4",
    "unpriced",
    "measured_s",
    "estimated_s",
    "missing_s",
    "currency",
    "name_zh",
    "name_en",
];

/// Why nothing can be read back.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The InfluxDB cannot be reached, or its answer breaks off.
    #[error("cannot read from InfluxDB: {0}")]
    Away(String),
    /// The InfluxDB does not answer the question.
    #[error("InfluxDB does not answer (HTTP {status}): {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// The answer is not what the question asks for, or longer than any could be.
    #[error("the answer of InfluxDB cannot be read: {0}")]
    Unreadable(String),
}

/// A reader of one InfluxDB.
#[derive(Debug)]
pub struct History {
    bridge: Bridge,
    http: reqwest::Client,
    token: Option<Secret>,
    bucket: String,
}

/// A part of an answer.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    results: Vec<Outcome>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Series {
    #[serde(default)]
    tags: std::collections::BTreeMap<String, String>,
    columns: Vec<String>,
    values: Vec<Vec<Value>>,
}

impl History {
    /// Returns a reader; the server may be away.
    ///
    /// # Errors
    ///
    /// [`ClientError`] by what is missing on this machine.
    pub async fn open(config: &InfluxConfig) -> Result<Self, ClientError> {
        Self::with_timeout(config, TIMEOUT).await
    }

    pub(super) async fn with_timeout(
        config: &InfluxConfig,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let bridge = Bridge::open(&config.address, config.ca.as_deref()).await?;
        let http = builder(timeout).build();
        let http = http.map_err(|error| ClientError::Http(events::chain(&error)))?;
        Ok(Self { bridge, http, token: config.token.clone(), bucket: config.bucket.clone() })
    }

    /// Returns the days of all sites that begin within `[from, to)` (Unix seconds), by
    /// site, medium and day.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] by whose fault it is.
    pub async fn site_days(&self, from: i64, to: i64) -> Result<Vec<SiteDay>, HistoryError> {
        // Only numbers of ours stand in the question: nothing in it needs escaping.
        let columns = COLUMNS.map(|column| format!("\"{column}\"")).join(", ");
        let question = format!(
            "SELECT {columns} FROM \"site_day\" WHERE time >= {from}s AND time < {to}s \
             GROUP BY \"site\", \"medium\""
        );
        let mut days = Vec::new();
        self.ask(&question, |series| days_of(&series, &mut days)).await?;
        days.sort_by_key(|day| (day.site, day.medium, day.start));
        Ok(days)
    }

    /// Asks a question and hands on each series of the answer as it comes.
    async fn ask(
        &self,
        question: &str,
        mut each: impl FnMut(Series) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let parameters = [
            ("db", self.bucket.as_str()),
            ("epoch", "s"),
            ("chunked", "true"),
            ("chunk_size", "1000"),
            ("q", question),
        ];
        let mut request = self.http.get(format!("{}/query", self.bridge.url())).query(&parameters);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Token {}", token.reveal()));
        }
        let away = |error: reqwest::Error| HistoryError::Away(events::chain(&error));
        let mut answer = request.send().await.map_err(away)?;
        let status = answer.status().as_u16();
        let mut pending = Vec::new();
        let mut rows = 0;
        while let Some(bytes) = answer.chunk().await.map_err(away)? {
            pending.extend_from_slice(&bytes);
            if status == 200 {
                while let Some(at) = pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=at).collect();
                    take(&line, &mut rows, &mut each)?;
                }
            }
            if CHUNK_MAX < pending.len() {
                return Err(HistoryError::Unreadable("a chunk has no end".to_owned()));
            }
        }
        if status == 200 {
            return take(&pending, &mut rows, &mut each);
        }
        let text = String::from_utf8_lossy(&pending);
        let error = serde_json::from_str::<Value>(&text).ok();
        let message = error.as_ref().and_then(|it| it.get("error").or_else(|| it.get("message")));
        let reason = message.and_then(Value::as_str).unwrap_or(text.trim());
        let reason = reason.get(..reason.floor_char_boundary(400)).unwrap_or_default().to_owned();
        if status == 502 {
            return Err(HistoryError::Away(reason));
        }
        Err(HistoryError::Refused { status, reason })
    }
}

/// Takes one chunk apart.
fn take(
    line: &[u8],
    rows: &mut usize,
    each: &mut impl FnMut(Series) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let chunk: Chunk = serde_json::from_slice(line)
        .map_err(|error| HistoryError::Unreadable(error.to_string()))?;
    let refused = |reason: String| HistoryError::Refused { status: 200, reason };
    if let Some(reason) = chunk.error {
        return Err(refused(reason));
    }
    for outcome in chunk.results {
        if let Some(reason) = outcome.error {
            return Err(refused(reason));
        }
        for series in outcome.series {
            *rows += series.values.len();
            if ROWS_MAX < *rows {
                return Err(HistoryError::Unreadable("the answer has no end".to_owned()));
            }
            each(series)?;
        }
    }
    Ok(())
}

/// Reads the rows of one site and medium. A row that another program wrote is passed over.
fn days_of(series: &Series, days: &mut Vec<SiteDay>) -> Result<(), HistoryError> {
    let place = |name: &str| series.columns.iter().position(|column| column == name);
    let Some(time) = place("time") else {
        return Err(HistoryError::Unreadable("rows without a time".to_owned()));
    };
    let (Some(site), Some(medium)) = (series.tags.get("site"), series.tags.get("medium")) else {
        return Ok(());
    };
    let Ok(site) = Name::new(site) else { return Ok(()) };
    let Some(medium) = Medium::ALL.into_iter().find(|known| known.code() == medium) else {
        return Ok(());
    };
    let places = COLUMNS.map(place);
    for row in &series.values {
        let cell = |at: usize| places.get(at).copied().flatten().and_then(|at| row.get(at));
        let number = |at: usize| cell(at).and_then(Value::as_i64);
        let text = |at: usize| cell(at).and_then(Value::as_str).map(str::to_owned);
        let read = || {
            let figure = Figure {
                amount: number(1)?,
                estimated: number(2)?,
                cost_e4: number(3)?,
                unpriced: number(4)?,
                measured_s: number(5)?,
                estimated_s: number(6)?,
                missing_s: number(7)?,
            };
            Some(SiteDay {
                site,
                name: Text { zh: text(9)?, en: text(10)? },
                currency: text(8)?,
                date: text(0)?.parse().ok()?,
                start: row.get(time)?.as_i64()?,
                medium,
                figure,
            })
        };
        days.extend(read());
    }
    Ok(())
}
