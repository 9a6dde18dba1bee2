//! A meter from which nothing comes.
//!
//! Silence is about readings that were *accepted*: a meter that answers nonsense is as
//! silent as one that is dead, and the reasons its readings were rejected for are counted
//! elsewhere. It wastes nothing; it hides.

use wire::Name;

use crate::finding::{Evidence, Finding, FindingKind};

/// Poll intervals without an accepted reading that are still no silence.
pub const POLLS_MAX: i64 = 3;

/// A meter that is polled, as far as the detector must know it.
#[derive(Clone, Copy, Debug)]
pub struct Polled<'a> {
    /// The meter.
    pub meter: &'a Name,
    /// The area it serves.
    pub area: &'a Name,
    /// How often it is polled, s.
    pub interval_s: u32,
    /// Since when readings are expected: the last accepted one before the list begins, or
    /// when the meter was put into the site book.
    pub expected_since: i64,
}

/// Finds spans in which nothing was accepted from a meter for three poll intervals.
///
/// `accepted` are the instants of accepted readings in order of time; `as_of` is until
/// when such a reading, had there been one, would be in the list: now, less the time a
/// message may take. Opens three poll intervals after the last accepted reading; closes
/// with the next. Readings that arrive late close what they fill, or take it back.
#[must_use]
pub fn silent_meter(meter: &Polled<'_>, accepted: &[i64], as_of: i64) -> Vec<Finding> {
    let allowed = POLLS_MAX * i64::from(meter.interval_s.max(1));
    let mut findings = Vec::new();
    let mut last = meter.expected_since;
    let mut silence = |last: i64, until: i64, closed: Option<i64>| {
        if allowed < until - last {
            findings.push(Finding {
                kind: FindingKind::SilentMeter,
                meter: *meter.meter,
                area: *meter.area,
                opened: last + allowed,
                closed,
                waste: 0,
                cost_e4: None,
                evidence: vec![Evidence { start: last, amount: until - last, limit: allowed }],
            });
        }
    };
    for &instant in accepted.iter().filter(|&&instant| instant <= as_of) {
        silence(last, instant, Some(instant));
        last = last.max(instant);
    }
    silence(last, as_of, None);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL_S: i64 = 60;

    /// Checks what is found in a drawing of polls: `x` accepted, `.` nothing. Expected: for
    /// each finding the poll at which it opened and the one that closed it, if any.
    #[track_caller]
    fn check(polls: &str, expected: &[(i64, Option<i64>)]) {
        let (meter, area) = (Name::new("light-1f-hall").unwrap(), Name::new("1f-hall").unwrap());
        let polled = Polled { meter: &meter, area: &area, interval_s: 60, expected_since: 0 };
        let drawn = (0..).zip(polls.chars());
        let accepted: Vec<i64> =
            drawn.filter(|&(_, poll)| poll == 'x').map(|(index, _)| index * POLL_S).collect();
        let as_of = (i64::try_from(polls.len()).unwrap() - 1) * POLL_S;

        let findings = silent_meter(&polled, &accepted, as_of);

        let found: Vec<_> = findings
            .iter()
            .map(|finding| (finding.opened / POLL_S, finding.closed.map(|at| at / POLL_S)))
            .collect();
        assert_eq!(found, expected, "{polls}");
    }

    #[test]
    fn three_missing_polls_open_and_the_next_reading_closes() {
        check("xx....xx", &[(4, Some(6))]);
    }

    #[test]
    fn two_missing_polls_are_no_silence() {
        check("xx..xx..xx..", &[]);
    }

    #[test]
    fn silence_at_the_end_is_open() {
        check("xxxx...", &[]);
        check("xxxx....", &[(6, None)]);
    }

    #[test]
    fn a_meter_that_never_spoke_is_silent_since_it_was_expected() {
        check("......", &[(3, None)]);
    }

    #[test]
    fn each_silence_is_a_finding_of_its_own() {
        check("x.....x......xx", &[(3, Some(6)), (9, Some(13))]);
    }

    #[test]
    fn the_evidence_says_since_when_and_how_long() {
        let (meter, area) = (Name::new("light-1f-hall").unwrap(), Name::new("1f-hall").unwrap());
        let polled = Polled { meter: &meter, area: &area, interval_s: 60, expected_since: 0 };

        let findings = silent_meter(&polled, &[600, 1200], 1200);

        assert_eq!(findings[1].evidence, [Evidence { start: 600, amount: 600, limit: 180 }]);
        assert_eq!(findings[1].cause(), "silent_meter/light-1f-hall/780");
    }
}
