//! Whether an event of a meter can be.
//!
//! Two corrections may meet, and a swap may lie within one: the later made lies over the
//! earlier, and taking it back brings the earlier to light. Two scales may not: whoever finds
//! a factor wrong takes it back, rather than making another to multiply with it.

use analysis::interval::{INTERVAL_S, Span};
use analysis::site::Meter;
use wire::models;

use crate::store::journal::{Amounts, MeterChange, MeterEventRow, MeterPart};

/// The largest numerator and denominator of a factor.
pub const FACTOR_MAX: i64 = 1_000_000_000;
/// The longest span of a correction or an estimate, s: a leap year and a day.
const SPAN_S_MAX: i64 = 367 * 86_400;
/// The largest value and amount, in thousandths: a petawatt-hour.
const AMOUNT_MAX: i64 = 1 << 59;

/// Why an event of a meter cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// It ends before it begins, or when it begins.
    #[error("event does not end after it begins")]
    Backwards,
    /// It is of what has not come yet.
    #[error("event lies in the future")]
    Future,
    /// It does not begin and end on a quarter hour.
    #[error("event does not begin and end on a quarter hour")]
    Unaligned,
    /// It is longer than a year.
    #[error("event is longer than a year")]
    TooLong,
    /// A value or an amount is below zero, or no meter shows as much.
    #[error("event has a value that no meter shows")]
    Value,
    /// There is not one amount for each quarter hour, or both a sum and a list, or neither.
    #[error("event has not one amount for each quarter hour")]
    Amounts,
    /// The factor is no fraction above 0, or is 1.
    #[error("event has no factor")]
    Factor,
    /// The meter model is not known, or does not count what the meter counts.
    #[error("event names a model that does not count this")]
    Model,
    /// A ratio is 0.
    #[error("event has a ratio of 0")]
    Ratio,
    /// The meter was swapped at this instant already.
    #[error("meter was swapped at this instant already")]
    SwapTaken,
    /// Another factor holds in a part of the span.
    #[error("another factor holds in a part of the span")]
    ScaleTaken,
    /// The meter is a formula: nobody reads it, so nobody swaps or corrects it.
    #[error("meter is a formula")]
    Formula,
    /// The meter tells only power: it has no counter to swap or scale.
    #[error("meter has no counter")]
    NoCounter,
    /// There is no reason.
    #[error("event has no reason")]
    Reason,
}

impl EventFault {
    /// Every fault.
    pub const ALL: [Self; 14] = [
        Self::Backwards,
        Self::Future,
        Self::Unaligned,
        Self::TooLong,
        Self::Value,
        Self::Amounts,
        Self::Factor,
        Self::Model,
        Self::Ratio,
        Self::SwapTaken,
        Self::ScaleTaken,
        Self::Formula,
        Self::NoCounter,
        Self::Reason,
    ];

    /// Returns the word that stands for this fault in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Backwards => "event_backwards",
            Self::Future => "event_future",
            Self::Unaligned => "event_unaligned",
            Self::TooLong => "event_too_long",
            Self::Value => "event_value",
            Self::Amounts => "event_amounts",
            Self::Factor => "event_factor",
            Self::Model => "event_model",
            Self::Ratio => "event_ratio",
            Self::SwapTaken => "event_swap_taken",
            Self::ScaleTaken => "event_scale_taken",
            Self::Formula => "event_formula",
            Self::NoCounter => "event_no_counter",
            Self::Reason => "event_reason",
        }
    }
}

/// Checks what is to be done to a meter, beside the events that hold.
///
/// # Errors
///
/// The first [`EventFault`].
pub fn check(
    meter: &Meter,
    change: &MeterChange,
    held: &[MeterEventRow],
    now: i64,
) -> Result<(), EventFault> {
    if meter.formula.is_some() {
        return Err(EventFault::Formula);
    }
    let counts = meter.counter != wire::Quantity::ActivePower;
    match change {
        MeterChange::Swap { .. } | MeterChange::Scale { .. } if !counts => {
            Err(EventFault::NoCounter)
        }
        MeterChange::Swap { at, last, first, old, new } => {
            if now < *at {
                return Err(EventFault::Future);
            }
            if [*last, *first].iter().any(|value| !is_amount(*value)) {
                return Err(EventFault::Value);
            }
            part(old, meter)?;
            part(new, meter)?;
            let taken = held.iter().any(|row| {
                matches!(row.event.change, MeterChange::Swap { at: other, .. } if other == *at)
            });
            if taken { Err(EventFault::SwapTaken) } else { Ok(()) }
        }
        MeterChange::Scale { from, to, num, den } => {
            if to.is_some_and(|to| to <= *from) {
                return Err(EventFault::Backwards);
            }
            if now < *from {
                return Err(EventFault::Future);
            }
            let is_factor = |value: &i64| (1..=FACTOR_MAX).contains(value);
            if !is_factor(num) || !is_factor(den) || num == den {
                return Err(EventFault::Factor);
            }
            let taken = held.iter().any(|row| match row.event.change {
                MeterChange::Scale { from: other, to: until, .. } => {
                    other < to.unwrap_or(i64::MAX) && *from < until.unwrap_or(i64::MAX)
                }
                MeterChange::Swap { .. }
                | MeterChange::Correction { .. }
                | MeterChange::Estimate { .. } => false,
            });
            if taken { Err(EventFault::ScaleTaken) } else { Ok(()) }
        }
        MeterChange::Correction { from, to, amounts } => {
            let count = span(*from, *to, now)?;
            match amounts {
                Amounts::Total(total) if is_amount(*total) => Ok(()),
                Amounts::Each(each) if each.len() != count => Err(EventFault::Amounts),
                Amounts::Each(each)
                    if each.iter().all(|amount| is_amount(*amount))
                        && is_amount(each.iter().fold(0, |sum, it| it.saturating_add(sum))) =>
                {
                    Ok(())
                }
                Amounts::Total(_) | Amounts::Each(_) => Err(EventFault::Value),
            }
        }
        MeterChange::Estimate { from, to, amount } => {
            span(*from, *to, now)?;
            if is_amount(*amount) { Ok(()) } else { Err(EventFault::Value) }
        }
    }
}

fn is_amount(value: i64) -> bool {
    (0..=AMOUNT_MAX).contains(&value)
}

/// Checks a span of whole quarter hours; returns how many it has.
fn span(from: i64, to: i64, now: i64) -> Result<usize, EventFault> {
    if to <= from {
        return Err(EventFault::Backwards);
    }
    let span = Span { from, to };
    if span.aligned() != span {
        return Err(EventFault::Unaligned);
    }
    if SPAN_S_MAX < to - from {
        return Err(EventFault::TooLong);
    }
    if now < from {
        return Err(EventFault::Future);
    }
    Ok(usize::try_from((to - from) / INTERVAL_S).unwrap_or_default())
}

fn part(part: &MeterPart, meter: &Meter) -> Result<(), EventFault> {
    if [part.pt, part.ct].contains(&Some(0)) {
        return Err(EventFault::Ratio);
    }
    let Some(model) = &part.model else { return Ok(()) };
    let counts = match meter.own_models.iter().find(|own| own.id == *model) {
        Some(own) => own.values.iter().any(|(entry, _)| entry.quantity == meter.counter),
        None => {
            let model = models::by_id(model).ok_or(EventFault::Model)?;
            model.map.entries.iter().any(|entry| entry.quantity == meter.counter)
        }
    };
    if counts { Ok(()) } else { Err(EventFault::Model) }
}
