//! Why consumption is what it is: the same steps, as a list.
//!
//! In: what [`super::consumption`] takes. Out: its result, and the pieces that it is made of,
//! in order of time: runs of readings that were counted, the ways across the borders of the
//! span, gaps with what they were spread by, breaks, and where nobody can say.
//!
//! Afterwards the pieces cover the span as far as anything is known of it, and what they laid
//! into it adds up to the amount before corrections, to the last digit.

use super::judge::{Link, Point};
use super::{
    Consumption, CounterReading, CounterRules, IntervalAmount, MeterEvent, Shape, Span, in_order,
    lives, overlay, spread,
};

/// What a counter showed, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stand {
    /// When.
    pub instant: i64,
    /// As it arrived, or was written down at a swap.
    pub raw: i64,
    /// In the right scale, in thousandths of the counter's unit.
    pub value: i64,
}

/// A stretch between two stands and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins; before the span, it may be.
    pub from: Stand,
    /// Where it ends; after the span, it may be.
    pub to: Stand,
    /// What joins the two.
    pub kind: PieceKind,
    /// Readings that were counted from the first to the last.
    pub links: usize,
    /// What went through between the two, in thousandths of the counter's unit.
    pub amount: i64,
    /// The part of it that lies within the span.
    pub laid: i64,
    /// Of an estimated piece, what each interval of the span got.
    pub intervals: Vec<(i64, i64)>,
    /// Of an estimated piece that the meter's shape spread, the weight of each interval of the
    /// way from `from` to `to`; empty where it is a straight line.
    pub weights: Vec<i64>,
}

/// What joins the ends of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PieceKind {
    /// The counter counted.
    Counted,
    /// It passed its largest value between two readings.
    RolledOver,
    /// It counted, but the readings are too far apart to say when.
    Gap,
    /// It broke; what went through is taken from the rates before and after.
    Bridged,
    /// Another meter took over, at the same instant.
    Swapped,
    /// Nobody can say.
    Unknown,
}

impl PieceKind {
    /// Returns the word that stands for this kind in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::RolledOver => "rolled_over",
            Self::Gap => "gap",
            Self::Bridged => "bridged",
            Self::Swapped => "swapped",
            Self::Unknown => "unknown",
        }
    }

    /// Returns whether what such a piece lays is estimated.
    #[must_use]
    pub const fn is_estimated(self) -> bool {
        matches!(self, Self::Gap | Self::Bridged)
    }
}

/// What went through a counter in a span, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The result.
    pub consumption: Consumption,
    /// What it is made of, in order of time.
    pub pieces: Vec<Piece>,
    /// The readings and written values that count, those next to the span included.
    pub stands: Vec<Stand>,
}

/// Returns what went through a counter in each quarter hour of a span, with all steps.
///
/// The result is that of [`super::consumption`] with the same arguments.
#[must_use]
pub fn explain(
    readings: &[CounterReading],
    events: &[MeterEvent],
    rules: &CounterRules,
    shape: Option<Shape<'_>>,
    span: Span,
) -> Explanation {
    let readings = in_order(readings);
    let span = span.aligned();
    let judgement = lives::judge(&readings, events, rules);
    let mut intervals = spread::spread(&judgement.points, rules, shape, span);
    let uncorrected = overlay::lay_over(&mut intervals, events, shape);
    let points = around(&judgement.points, span);
    let pieces = pieces(points, rules, shape, span);
    let stands = points.iter().map(stand).collect();
    let consumption = Consumption {
        intervals,
        uncorrected,
        suspects: judgement.suspects,
        breaks: judgement.breaks,
        settled_until: judgement.settled_until,
        decided: judgement.decided,
    };
    Explanation { consumption, pieces, stands }
}

/// The points within a span, and the nearest at or beyond both its ends.
fn around(points: &[Point], span: Span) -> &[Point] {
    let first = points.partition_point(|point| point.instant <= span.from).saturating_sub(1);
    let last = points.partition_point(|point| point.instant < span.to);
    points.get(first..(last + 1).min(points.len())).unwrap_or_default()
}

fn stand(point: &Point) -> Stand {
    Stand { instant: point.instant, raw: point.raw, value: point.value }
}

fn pieces(
    points: &[Point],
    rules: &CounterRules,
    shape: Option<Shape<'_>>,
    span: Span,
) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let inside = span.from <= from.instant && to.instant <= span.to;
        let long = rules.gap_s_max < to.instant - from.instant;
        let kind = match to.link {
            Link::Carried => PieceKind::Gap,
            Link::Counted | Link::RolledOver if long => PieceKind::Gap,
            Link::Counted => PieceKind::Counted,
            Link::RolledOver => PieceKind::RolledOver,
            Link::Bridged => PieceKind::Bridged,
            Link::Swapped if from.instant == to.instant => PieceKind::Swapped,
            Link::Start | Link::Swapped | Link::Unknown => PieceKind::Unknown,
        };
        let amount = to.total - from.total;
        if kind == PieceKind::Counted
            && inside
            && let Some(run) = pieces.last_mut()
            && run.kind == PieceKind::Counted
            && span.from <= run.from.instant
            && run.to.instant == from.instant
        {
            run.to = stand(&to);
            run.links += 1;
            run.amount += amount;
            run.laid += amount;
            continue;
        }
        let mut piece = Piece {
            from: stand(&from),
            to: stand(&to),
            kind,
            links: 1,
            amount,
            laid: amount,
            intervals: Vec::new(),
            weights: Vec::new(),
        };
        if kind.is_estimated() || !inside {
            let laid = spread::spread(&[from, to], rules, shape, span);
            let laid = laid.iter().filter(|it| it.measured_s() + it.estimated_s > 0);
            let laid: Vec<_> = laid.map(|it| (it.start, IntervalAmount::amount(it))).collect();
            piece.laid = laid.iter().map(|(_, amount)| amount).sum();
            if kind.is_estimated() {
                piece.intervals = laid;
                piece.weights = spread::weights(from, to, shape).unwrap_or_default();
            }
        }
        pieces.push(piece);
    }
    pieces
}
