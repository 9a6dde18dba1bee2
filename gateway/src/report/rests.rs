//! What figures rest on besides readings: meter events, each by its number.

use analysis::site::{Medium, Meter};

use super::sheet::{Column, Sheet, unit};
use super::{Report, ReportError};
use crate::store::journal::{Amounts, MeterChange, MeterEventRow};
use crate::words::{self, text};

/// Returns the numbers of the events that a meter's month rests on, as `#3 #7`; of a formula,
/// those of its terms.
pub(super) fn numbers(report: &Report<'_>, meter: &Meter) -> String {
    let read = report.site.read_beneath(meter);
    let own = report.events.iter().filter(|row| read.contains(&row.event.meter));
    own.map(|row| format!("#{}", row.id)).collect::<Vec<_>>().join(" ")
}

const COLUMNS: [Column; 9] = [
    ("report.column.event", 8.0),
    ("report.column.meter_id", 18.0),
    ("report.column.meter", 22.0),
    ("report.column.event_kind", 14.0),
    ("report.column.from", 19.0),
    ("report.column.to", 19.0),
    ("report.column.says", 40.0),
    ("report.column.reason", 24.0),
    ("report.column.by", 26.0),
];

/// Writes one row per event of the month, oldest first.
pub(super) fn events(sheet: &mut Sheet<'_>, report: &Report<'_>) -> Result<(), ReportError> {
    let last_column = sheet.headings(0, &COLUMNS)?;
    let mut events: Vec<&MeterEventRow> = report.events.iter().collect();
    events.sort_by_key(|row| row.id);
    let mut last = 0;
    for (row, event) in (1..).zip(events) {
        self::event(sheet, row, report, event)?;
        last = row;
    }
    sheet.list(last, last_column)?;
    let note = if last == 0 { "report.events.none" } else { "report.note.events" };
    let note = sheet.words(note);
    sheet.inner.merge_range(last + 2, 0, last + 3, last_column, &note, &sheet.styles.note)?;
    Ok(())
}

fn event(
    sheet: &mut Sheet<'_>,
    row: u32,
    report: &Report<'_>,
    MeterEventRow { id, event, .. }: &MeterEventRow,
) -> Result<(), ReportError> {
    let (language, zone) = (sheet.language, &report.site.zone);
    let moment = |instant: i64| words::moment_with_year(language, zone, instant);
    let meter = report.site.meter(&event.meter);
    let kind = sheet.words(&format!("page.event.kind.{}", event.change.code()));
    sheet.text(row, 0, &format!("#{id}"))?;
    sheet.text(row, 1, event.meter.as_str())?;
    sheet.text(row, 2, meter.map_or(event.meter.as_str(), |meter| meter.name.get(language)))?;
    sheet.text(row, 3, &kind)?;
    sheet.text(row, 4, &moment(event.change.from()))?;
    sheet.text(row, 5, &event.change.to().map(moment).unwrap_or_default())?;
    let medium = meter.map_or(Medium::Electricity, |meter| meter.medium);
    sheet.wrapped(row, 6, &says(sheet, medium, &event.change))?;
    sheet.wrapped(row, 7, &event.reason)?;
    let by = [("by", event.author.as_str()), ("at", &moment(event.made))];
    sheet.text(row, 8, &text(language, "report.event.by", &by))
}

/// What an event says, to the last digit.
fn says(sheet: &Sheet<'_>, medium: Medium, change: &MeterChange) -> String {
    let language = sheet.language;
    let exact = |thousandths: i64| {
        format!("{} {}", words::grouped(thousandths, 1_000_000, 6), unit(medium))
    };
    let (key, params) = match change {
        MeterChange::Swap { last, first, .. } => {
            ("report.event.says.swap", vec![("last", exact(*last)), ("first", exact(*first))])
        }
        MeterChange::Scale { num, den, .. } => {
            ("report.event.says.scale", vec![("num", num.to_string()), ("den", den.to_string())])
        }
        MeterChange::Correction { amounts, .. } => {
            let amount = match amounts {
                Amounts::Total(total) => *total,
                Amounts::Each(each) => each.iter().sum(),
            };
            ("report.event.says.correction", vec![("amount", exact(amount))])
        }
        MeterChange::Estimate { amount, .. } => {
            ("report.event.says.estimate", vec![("amount", exact(*amount))])
        }
    };
    let params: Vec<(&str, &str)> =
        params.iter().map(|(name, value)| (*name, value.as_str())).collect();
    text(language, key, &params)
}
