//! What people did to a meter, or say of what went through it.
//!
//! Dated, and with its author in the journal. The readings stay as they are; an event stands
//! beside them, and taking it back gives the amounts of before to the last digit.

use super::{CounterRules, Span};

/// What somebody did to a meter, or says of it. Values and amounts in thousandths of the
/// counter's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeterEvent {
    /// A meter swap: readings before `instant` are the old meter's, from `instant` on the
    /// new one's. Both values as the readings have them, after the ratio.
    Swap {
        /// When the new meter took over.
        instant: i64,
        /// The last value of the old meter.
        last: i64,
        /// The first value of the new meter.
        first: i64,
        /// How far the old one counts.
        old: Width,
        /// How far the new one counts.
        new: Width,
    },
    /// Readings of a span count only when multiplied by `num / den`: a ratio, a pulse weight
    /// or a unit was set wrong. Where two spans meet, both factors hold.
    Scale {
        /// The first instant.
        from: i64,
        /// The first instant after it; `None` if it goes on.
        to: Option<i64>,
        /// The factor's numerator, above 0.
        num: i64,
        /// The factor's denominator, above 0.
        den: i64,
    },
    /// What went through in a span, whatever the readings say. Of two that meet, the one of
    /// the higher order, which was made later, lies over the other.
    Correction {
        /// Its place among corrections and estimates.
        order: i64,
        /// Whole intervals.
        span: Span,
        /// What went through.
        amounts: Amounts,
    },
    /// What went through in a span where readings say nothing: what is missing of an
    /// interval gets its share, and gives it back to readings that arrive late.
    Estimate {
        /// Its place among corrections and estimates.
        order: i64,
        /// Whole intervals.
        span: Span,
        /// What went through in all of the span.
        amount: i64,
    },
}

/// What went through in a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amounts {
    /// In all of it; it is spread by the meter's own shape, as a gap is.
    Total(i64),
    /// In each of its intervals. One that is not listed had nothing.
    Each(Vec<i64>),
}

/// How far a counter counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// As the meter's rules say.
    #[default]
    AsRules,
    /// The first value that it cannot show, after the ratio.
    RollsOverAt(i64),
    /// Further than anybody will live to see.
    Endless,
}

impl Width {
    /// Returns the rules of a counter of this width.
    #[must_use]
    pub fn within(self, rules: &CounterRules) -> CounterRules {
        match self {
            Self::AsRules => *rules,
            Self::RollsOverAt(rollover) => rules.rolling_over_at(Some(rollover)),
            Self::Endless => rules.rolling_over_at(None),
        }
    }
}

impl MeterEvent {
    /// Returns the swap of a meter for one that counts as far.
    #[must_use]
    pub const fn swap(instant: i64, last: i64, first: i64) -> Self {
        Self::Swap { instant, last, first, old: Width::AsRules, new: Width::AsRules }
    }

    /// Returns the place of a correction or an estimate among its like, with its span;
    /// `None` of what was done to the counter itself.
    #[must_use]
    pub const fn laid_over(&self) -> Option<(i64, Span)> {
        match *self {
            Self::Correction { order, span, .. } | Self::Estimate { order, span, .. } => {
                Some((order, span))
            }
            Self::Swap { .. } | Self::Scale { .. } => None,
        }
    }
}
