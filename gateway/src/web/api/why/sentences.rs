//! The arithmetic in sentences: codes and what stands in their gaps; the words are the
//! catalogue's.

use std::collections::BTreeMap;

use analysis::figures::Figure;
use analysis::interval::{IntervalAmount, Piece, PieceKind, Span, WHOLE_S};
use analysis::site::{Meter, Site};

use super::Asking;
use crate::ledger::{Source, WhyFigure};
use crate::store::journal::{MeterChange, MeterEventRow};
use crate::web::answer::why::{WhyCode, WhySentence};
use crate::web::time;

/// Returns the sentences of a figure.
pub(super) fn of(
    found: &WhyFigure,
    site: &Site,
    meter: &Meter,
    sum: &Figure,
    asking: Asking,
) -> Vec<WhySentence> {
    let teller = Teller { site };
    let mut all: Vec<WhySentence> = Vec::new();
    match &found.source {
        Source::Counter { .. } => {
            // A swap is told by who made it.
            let pieces = found.explanation.pieces.iter();
            let told = pieces.filter(|piece| piece.kind != PieceKind::Swapped);
            all.extend(told.map(|piece| teller.piece(piece, found.span)));
        }
        Source::Power { error_bound, .. } => {
            let amount = found.uncorrected.as_deref().unwrap_or(&found.intervals);
            let amount: i64 = amount.iter().map(IntervalAmount::amount).sum();
            all.push(sentence(
                WhyCode::Power,
                [("amount", amount.to_string()), ("bound_amount", error_bound.to_string())],
            ));
        }
        Source::Formula { terms, negative } => {
            let text: Vec<String> =
                terms.iter().map(|(id, milli, _)| term(id.as_str(), *milli)).collect();
            let formula = text.join(" ").trim_start_matches("+ ").to_owned();
            all.push(sentence(
                WhyCode::Formula,
                [("formula", formula), ("amount", sum.amount.to_string())],
            ));
            if let Some(first) = negative.first() {
                let count = negative.len().to_string();
                all.push(sentence(
                    WhyCode::Negative,
                    [("count", count), ("first_at", teller.at(*first))],
                ));
            }
        }
    }
    let suspects = found.explanation.consumption.suspects.iter();
    let within = suspects
        .filter(|it| found.span.from <= it.reading.instant && it.reading.instant < found.span.to);
    let count = within.count();
    if 0 < count {
        all.push(sentence(WhyCode::Suspects, [("count", count.to_string())]));
    }
    all.extend(found.events.iter().map(|row| teller.event(row, found)));
    all.extend(found.levels.iter().map(|change| {
        sentence(
            WhyCode::Level,
            [
                ("from_at", teller.at(change.from)),
                ("level_milli", change.level_milli.to_string()),
                ("num", change.num.to_string()),
                ("den", change.den.to_string()),
            ],
        )
    }));
    all.push(sentence(
        WhyCode::Sum,
        [
            ("measured_amount", (sum.amount - sum.estimated).to_string()),
            ("estimated_amount", sum.estimated.to_string()),
            ("amount", sum.amount.to_string()),
        ],
    ));
    if 0 < sum.missing_s {
        all.push(sentence(WhyCode::Missing, [("missing_s", sum.missing_s.to_string())]));
    }
    if asking == Asking::Cost {
        all.extend(costs(found, meter, sum));
    }
    all
}

fn costs(found: &WhyFigure, meter: &Meter, sum: &Figure) -> Vec<WhySentence> {
    let Some(bill) = found.bill.as_ref().filter(|_| meter.tariff.is_some()) else {
        return vec![sentence(WhyCode::Unpriced, [("amount", sum.amount.to_string())])];
    };
    let mut all: Vec<WhySentence> = bill
        .rows
        .iter()
        .map(|row| {
            sentence(
                WhyCode::Rate,
                [
                    ("amount", row.amount.to_string()),
                    ("rate_e4", row.rate.rate_e4.to_string()),
                    ("band", row.rate.name.code().to_owned()),
                ],
            )
        })
        .collect();
    if bill.unpriced != 0 {
        all.push(sentence(WhyCode::Unpriced, [("amount", bill.unpriced.to_string())]));
    }
    let cost: i64 = found.days.iter().filter_map(|(_, _, cost)| *cost).sum();
    all.push(sentence(WhyCode::Cost, [("cost_e4", cost.to_string())]));
    all
}

/// A term as people write it: `- 0.5 lab`.
fn term(id: &str, milli: i64) -> String {
    let sign = if milli < 0 { '-' } else { '+' };
    let size = milli.unsigned_abs();
    let (whole, part) = (size / 1_000, size % 1_000);
    match (whole, part) {
        (1, 0) => format!("{sign} {id}"),
        (_, 0) => format!("{sign} {whole} {id}"),
        _ => format!("{sign} {whole}.{} {id}", format!("{part:03}").trim_end_matches('0')),
    }
}

struct Teller<'a> {
    site: &'a Site,
}

impl Teller<'_> {
    fn at(&self, instant: i64) -> String {
        time::written(instant, &self.site.zone)
    }

    fn piece(&self, piece: &Piece, span: Span) -> WhySentence {
        let crosses = piece.from.instant < span.from || span.to < piece.to.instant;
        let code = match piece.kind {
            PieceKind::Counted if crosses => WhyCode::Border,
            PieceKind::Counted | PieceKind::Swapped => WhyCode::Counted,
            PieceKind::RolledOver => WhyCode::RolledOver,
            PieceKind::Gap if piece.weights.is_empty() => WhyCode::GapLine,
            PieceKind::Gap => WhyCode::GapShape,
            PieceKind::Bridged => WhyCode::Bridged,
            PieceKind::Unknown => WhyCode::Unknown,
        };
        let border = if piece.from.instant < span.from { span.from } else { span.to };
        sentence(
            code,
            [
                ("from_at", self.at(piece.from.instant)),
                ("to_at", self.at(piece.to.instant)),
                ("from_value", piece.from.value.to_string()),
                ("to_value", piece.to.value.to_string()),
                ("amount", piece.amount.to_string()),
                ("laid", piece.laid.to_string()),
                ("links", piece.links.to_string()),
                ("border_at", self.at(border)),
            ],
        )
    }

    fn event(&self, row: &MeterEventRow, found: &WhyFigure) -> WhySentence {
        let event = &row.event;
        let mut params = vec![
            ("event", row.id.to_string()),
            ("by", event.author.clone()),
            ("reason", event.reason.clone()),
            ("from_at", self.at(event.change.from())),
            ("to_at", event.change.to().map_or_else(String::new, |to| self.at(to))),
        ];
        let code = match &event.change {
            MeterChange::Swap { last, first, .. } => {
                params.push(("last_value", last.to_string()));
                params.push(("first_value", first.to_string()));
                WhyCode::Swapped
            }
            MeterChange::Scale { num, den, .. } => {
                params.push(("num", num.to_string()));
                params.push(("den", den.to_string()));
                WhyCode::Scaled
            }
            MeterChange::Correction { from, to, .. } => {
                let (before, after) = both(found, Span { from: *from, to: *to });
                params.push(("before_amount", before.to_string()));
                params.push(("after_amount", after.to_string()));
                WhyCode::Corrected
            }
            MeterChange::Estimate { from, to, .. } => {
                let (before, after) = both(found, Span { from: *from, to: *to });
                params.push(("added_amount", (after - before).to_string()));
                WhyCode::Estimated
            }
        };
        sentence(code, params)
    }
}

/// What the readings alone and what all events together say of an event's part of the span.
fn both(found: &WhyFigure, event: Span) -> (i64, i64) {
    let within = |intervals: &[IntervalAmount]| -> i64 {
        let inside = intervals.iter().filter(|it| event.from <= it.start && it.start < event.to);
        inside.filter(|it| it.missing_s < WHOLE_S).map(IntervalAmount::amount).sum()
    };
    let before = found.uncorrected.as_deref().unwrap_or(&found.intervals);
    (within(before), within(&found.intervals))
}

fn sentence<'a>(code: WhyCode, params: impl IntoIterator<Item = (&'a str, String)>) -> WhySentence {
    let params: BTreeMap<String, String> =
        params.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    WhySentence { code, params }
}
