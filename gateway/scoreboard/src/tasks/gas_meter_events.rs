//! Real outages of gas meters after which the unit had changed.
//!
//! Files: `cambridge/gas_*.csv`, `cambridge/gas_meter_events*.csv` (series, last reading
//! before, first reading after, ...), `cambridge/weather_*.csv` for the temperature (its
//! first column), where it is there.
//!
//! Protocol. The whole table is walked through once, with a warm-up of eight weeks. An
//! outage is found by a rest or a gap that begins within a day of the last reading before
//! it, noticed within 2 days of that reading; a change of unit by a change of scale that
//! begins after that reading and is noticed within 14 days of the first reading after. The
//! same is asked again without any temperature. Other outages and changes that are flagged
//! are counted per meter-month without a promise: the list of events names the five
//! clearest, not all.

use std::path::Path;

use analysis::detect::{MeterLimits, ScaleLimits, Standstill, meter_faults};
use analysis::track::Track;
use anyhow::{Context as _, Result};

use crate::flag::{DAY_S, Flag, Judged, false_rate};
use crate::label::Label;
use crate::score::{Goal, Outcome, Score};
use crate::table::{self, Table};

const NAME: &str = "gas_meter_events";
const WARM_UP_S: i64 = 56 * DAY_S;

/// Runs the task.
///
/// # Errors
///
/// A file is not what its name says.
pub(crate) fn run(dir: &Path) -> Result<Outcome> {
    let folder = dir.join("cambridge");
    let first = |begins: &str| table::files(&folder, begins).into_iter().next();
    let events = first("gas_meter_events");
    let gas = table::files(&folder, "gas_").into_iter().find(|it| Some(it) != events.as_ref());
    let Some((gas, events)) = gas.zip(events) else {
        return Ok(Outcome::Skipped {
            task: NAME,
            why: "there is no cambridge/gas_*.csv with gas_meter_events*.csv".to_owned(),
        });
    };
    let weather = first("weather_").map(|path| table::read(&path)).transpose()?;
    let temperature =
        weather.as_ref().and_then(|table| table.columns.first().map(|column| table.track(column)));
    let (gas, events) = (table::read(&gas)?, read_events(&events)?);
    let mut scores = scores(&gas, &events, temperature.as_ref(), "");
    scores.extend(self::scores(&gas, &events, None, "_without_temperature"));
    Ok(Outcome::Scored { task: NAME, scores })
}

fn read_events(path: &Path) -> Result<Vec<Label>> {
    let shown = path.display();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table::open(path)?);
    let mut events = Vec::new();
    for row in reader.records() {
        let row = row.with_context(|| format!("a line of {shown}"))?;
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let instant = |at: usize| table::instant_of(cell(at)).context(shown.to_string());
        let (start, last) = (instant(1)?, instant(2)?);
        events.push(Label { series: cell(0).to_owned(), kind: "event".to_owned(), start, last });
    }
    Ok(events)
}

fn scores(gas: &Table, events: &[Label], temperature: Option<&Track>, suffix: &str) -> Vec<Score> {
    let limits = MeterLimits { scale: ScaleLimits::weather_driven(), ..MeterLimits::default() };
    let (mut outages, mut changes, mut count) = (Vec::new(), Vec::new(), 0.0);
    let (mut others, mut other_changes) = (Vec::new(), Vec::new());
    for column in &gas.columns {
        let track = gas.track(column);
        let end = track.end();
        let found = meter_faults(&track, temperature, &limits);
        let stopped: Vec<Flag> = found
            .standstills
            .iter()
            .filter(|it| !matches!(it, Standstill::Same(_)))
            .map(|it| Flag::of("outage", it.spell(), end))
            .collect();
        let scales: Vec<Flag> = found.scales.iter().map(|it| Flag::of("scale", it, end)).collect();
        let labels: Vec<Label> =
            events.iter().filter(|it| it.series == column.name).cloned().collect();
        for event in &labels {
            count += 1.0;
            let outage = stopped
                .iter()
                .filter(|it| (it.from - event.start).abs() <= DAY_S)
                .map(|it| it.noticed - event.start)
                .min();
            outages.extend(outage.filter(|it| *it <= 2 * DAY_S));
            let change = scales
                .iter()
                .filter(|it| event.start < it.from && event.last < it.noticed)
                .map(|it| it.noticed - event.last)
                .min();
            changes.extend(change.filter(|it| *it <= 14 * DAY_S));
        }
        // The first days after a return belong to the event.
        let around: Vec<Label> =
            labels.iter().map(|it| Label { last: it.last + 14 * DAY_S, ..it.clone() }).collect();
        others.push(Judged::new(&track, around.clone(), stopped, WARM_UP_S));
        other_changes.push(Judged::new(&track, around, scales, WARM_UP_S));
    }
    let mut scores = Vec::new();
    for (name, delays) in [("outage_2d", &mut outages), ("unit_change_14d", &mut changes)] {
        let share = crate::flag::real(delays.len()) / f64::max(count, 1.0);
        let goal = if suffix.is_empty() { Goal::AtLeast(1.0) } else { Goal::None };
        scores.push(Score::new(format!("recall_{name}{suffix}"), share, "1").with_goal(goal));
        delays.sort_unstable();
        if let Some(worst) = delays.last() {
            let hours = crate::flag::hours(*worst);
            scores.push(Score::new(format!("delay_worst_{name}{suffix}"), hours, "h"));
        }
    }
    scores.push(false_rate(&others, &format!("other_outages{suffix}"), Goal::None));
    scores.push(false_rate(&other_changes, &format!("other_changes{suffix}"), Goal::None));
    scores
}
