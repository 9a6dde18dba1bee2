//! Meter events: what somebody did to a meter, or says of what went through it.
//!
//! They stand beside the readings, which never change. An event is written once; it may be
//! taken back, and stays on record with who took it back.

use rusqlite::{Row, params};
use wire::Name;

use super::findings::name;
use super::{JournalTx, JournalView};
use crate::store::error::StoreError;

/// A meter event that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMeterEvent {
    /// The meter.
    pub meter: Name,
    /// What was done, and when.
    pub change: MeterChange,
    /// Why, in the author's own words.
    pub reason: String,
    /// Where the photo of the display is kept, or what it shows.
    pub photo: Option<String>,
    /// Who says it.
    pub author: String,
    /// When, Unix seconds.
    pub made: i64,
}

/// What was done to a meter. Instants are Unix seconds, spans half open, values and amounts
/// thousandths of the meter's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeterChange {
    /// The meter was swapped.
    Swap {
        /// When the new one took over.
        at: i64,
        /// The last value of the old one, after the ratio, as its readings had it.
        last: i64,
        /// The first value of the new one, after the ratio, as its readings have it.
        first: i64,
        /// What the old one was, where the site book no longer says so.
        old: MeterPart,
        /// What the new one is, where the site book does not say so yet.
        new: MeterPart,
    },
    /// Readings are right only when multiplied by `num / den`.
    Scale {
        /// From when on.
        from: i64,
        /// Until when; `None` while it goes on.
        to: Option<i64>,
        /// The factor's numerator.
        num: i64,
        /// The factor's denominator.
        den: i64,
    },
    /// What went through in a span is not what the readings say.
    Correction {
        /// The first instant, on a quarter hour.
        from: i64,
        /// The first instant after it, on a quarter hour.
        to: i64,
        /// What went through.
        amounts: Amounts,
    },
    /// What went through where the readings say nothing.
    Estimate {
        /// The first instant, on a quarter hour.
        from: i64,
        /// The first instant after it, on a quarter hour.
        to: i64,
        /// What went through in the whole span; what is missing of it gets its share.
        amount: i64,
    },
}

/// What is known of a meter that was swapped; what is `None` is as the site book says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterPart {
    /// The meter model's identifier.
    pub model: Option<String>,
    /// Ratio of the voltage transformer in thousandths.
    pub pt: Option<u32>,
    /// Ratio of the current transformer in thousandths.
    pub ct: Option<u32>,
}

/// What went through in a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amounts {
    /// In all of it; how it is spread is for `analysis` to say.
    Total(i64),
    /// In each of its quarter hours.
    Each(Vec<i64>),
}

/// A stored meter event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterEventRow {
    /// Grows with each event.
    pub id: i64,
    /// What was written.
    pub event: NewMeterEvent,
    /// When it was taken back, Unix seconds, and by whom.
    pub undone: Option<(i64, String)>,
}

impl MeterChange {
    /// Returns the word that stands for this kind of event in rows and in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Swap { .. } => "swap",
            Self::Scale { .. } => "scale",
            Self::Correction { .. } => "correction",
            Self::Estimate { .. } => "estimate",
        }
    }

    /// Returns the first instant that it concerns.
    #[must_use]
    pub const fn from(&self) -> i64 {
        match self {
            Self::Swap { at, .. } => *at,
            Self::Scale { from, .. }
            | Self::Correction { from, .. }
            | Self::Estimate { from, .. } => *from,
        }
    }

    /// Returns the first instant that it no longer concerns; `None` if there is none.
    #[must_use]
    pub const fn to(&self) -> Option<i64> {
        match self {
            Self::Swap { .. } => None,
            Self::Scale { to, .. } => *to,
            Self::Correction { to, .. } | Self::Estimate { to, .. } => Some(*to),
        }
    }
}

const EVENTS: &str = "SELECT id, meter, kind, start, until, last, first, old_model, old_pt, old_ct,
    new_model, new_pt, new_ct, num, den, amount, amounts, reason, photo, author, made, undone,
    undone_by FROM meter_event";

impl JournalView<'_> {
    /// Returns every event of a meter, or of all meters, oldest first; also those taken back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn meter_events(&self, meter: Option<&Name>) -> Result<Vec<MeterEventRow>, StoreError> {
        let sql = format!("{EVENTS} WHERE ?1 IS NULL OR meter = ?1 ORDER BY id");
        self.rows("list meter events", &sql, params![meter.map(Name::as_str)], event)
    }

    /// Returns one event.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn meter_event(&self, id: i64) -> Result<Option<MeterEventRow>, StoreError> {
        let sql = format!("{EVENTS} WHERE id = ?1");
        self.row("read a meter event", &sql, params![id], event)
    }

    /// Returns two numbers that change whenever an event is written or taken back: the
    /// newest event's, and how many were taken back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn meter_events_mark(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT coalesce(max(id), 0), count(undone) FROM meter_event";
        let mark = self.row("look for meter events", sql, (), |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(mark?.unwrap_or_default())
    }
}

impl JournalTx<'_> {
    /// Writes an event; returns its id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if it is not one that may be written, as one that ends before
    /// it begins.
    pub fn add_meter_event(&mut self, event: &NewMeterEvent) -> Result<i64, StoreError> {
        const DURING: &str = "write a meter event";
        let (mut last, mut first, mut num, mut den) = (None, None, None, None);
        let (mut amount, mut amounts) = (None, None);
        let none = MeterPart::default();
        let (mut old, mut new) = (&none, &none);
        match &event.change {
            MeterChange::Swap { last: before, first: after, old: was, new: is, .. } => {
                (last, first) = (Some(*before), Some(*after));
                (old, new) = (was, is);
            }
            MeterChange::Scale { num: n, den: d, .. } => (num, den) = (Some(*n), Some(*d)),
            MeterChange::Correction { amounts: Amounts::Total(total), .. }
            | MeterChange::Estimate { amount: total, .. } => amount = Some(*total),
            MeterChange::Correction { amounts: Amounts::Each(each), .. } => {
                let text = serde_json::to_string(each)
                    .map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
                amounts = Some(text);
            }
        }
        self.insert(
            DURING,
            "INSERT INTO meter_event (meter, kind, start, until, last, first, old_model, old_pt,
             old_ct, new_model, new_pt, new_ct, num, den, amount, amounts, reason, photo, author,
             made) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
             ?17, ?18, ?19, ?20)",
            params![
                event.meter.as_str(),
                event.change.code(),
                event.change.from(),
                event.change.to(),
                last,
                first,
                old.model,
                old.pt,
                old.ct,
                new.model,
                new.pt,
                new.ct,
                num,
                den,
                amount,
                amounts,
                event.reason,
                event.photo,
                event.author,
                event.made,
            ],
        )
    }

    /// Takes an event back; it holds no longer, and stays on record. Returns it; `None` if
    /// there is none, or it was taken back already.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn undo_meter_event(
        &mut self,
        id: i64,
        author: &str,
        at: i64,
    ) -> Result<Option<MeterEventRow>, StoreError> {
        let changed = self.execute(
            "take a meter event back",
            "UPDATE meter_event SET undone = ?2, undone_by = ?3
             WHERE id = ?1 AND undone IS NULL",
            params![id, at, author],
        )?;
        if changed == 0 { Ok(None) } else { self.meter_event(id) }
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<MeterEventRow> {
    let kind: String = row.get(2)?;
    let from: i64 = row.get(3)?;
    let change = match kind.as_str() {
        "swap" => MeterChange::Swap {
            at: from,
            last: row.get(5)?,
            first: row.get(6)?,
            old: part(row, 7)?,
            new: part(row, 10)?,
        },
        "scale" => {
            MeterChange::Scale { from, to: row.get(4)?, num: row.get(13)?, den: row.get(14)? }
        }
        "correction" => MeterChange::Correction { from, to: row.get(4)?, amounts: amounts(row)? },
        "estimate" => MeterChange::Estimate { from, to: row.get(4)?, amount: row.get(15)? },
        _ => return Err(unreadable(2, format!("no kind of event: {kind}").into())),
    };
    let undone: Option<i64> = row.get(21)?;
    Ok(MeterEventRow {
        id: row.get(0)?,
        event: NewMeterEvent {
            meter: name(row, 1)?,
            change,
            reason: row.get(17)?,
            photo: row.get(18)?,
            author: row.get(19)?,
            made: row.get(20)?,
        },
        undone: undone.map(|at| row.get(22).map(|by| (at, by))).transpose()?,
    })
}

fn part(row: &Row<'_>, first: usize) -> rusqlite::Result<MeterPart> {
    Ok(MeterPart { model: row.get(first)?, pt: row.get(first + 1)?, ct: row.get(first + 2)? })
}

fn amounts(row: &Row<'_>) -> rusqlite::Result<Amounts> {
    let each: Option<String> = row.get(16)?;
    let Some(each) = each else { return Ok(Amounts::Total(row.get(15)?)) };
    serde_json::from_str(&each).map(Amounts::Each).map_err(|error| unreadable(16, error.into()))
}

fn unreadable(column: usize, cause: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, cause)
}
