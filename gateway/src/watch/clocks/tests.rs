//! From readings that are dated wrongly to one finding, and to its end.

use wire::message::Pack;
use wire::topic::{Channel, Topic};
use wire::{Name, Quantity};

use crate::ledger::house::{HOUR_S, House, MONDAY, arrival, kinds};
use crate::store::journal::FindingRow;
use crate::store::{Arrival, Unreadable};

const METERS: &str = r#"
[[meter]]
id = "fans"
name = "风机"
model = "eastron-sdm630"
area = "hall"
node = "node-1"
unit_id = 1

[[meter]]
id = "pumps"
name = "水泵"
model = "eastron-sdm630"
area = "hall"
node = "node-1"
unit_id = 2
"#;

const QUARTER_S: i64 = 900;

/// What both meters tell at a quarter hour from Monday on, by a clock that is off.
fn told(quarter: i64, off_s: i64) -> Vec<Arrival> {
    let taken = MONDAY + quarter * QUARTER_S;
    let of = |meter: &str| Arrival {
        received: taken + 2,
        ..arrival(
            meter,
            quarter,
            taken + off_s,
            &[(Quantity::ActiveEnergyImport, quarter * 1_000_000)],
        )
    };
    vec![of("fans"), of("pumps")]
}

/// The same, kept aside by the gate.
fn aside(quarter: i64, off_s: i64) -> Vec<Unreadable> {
    let put = |it: Arrival| {
        let mut payload = vec![0; Pack::BYTES_MAX];
        let len = it.pack.encode(&mut payload).unwrap();
        payload.truncate(len);
        let site = Name::new("school").unwrap();
        Unreadable {
            topic: Topic::new(site, it.node, Channel::Readings).as_str().to_owned(),
            payload,
            reason: "future".to_owned(),
            received: it.received,
        }
    };
    told(quarter, off_s).into_iter().map(put).collect()
}

/// Walks a round after each quarter hour of some; `tell` brings what came by then.
fn walk(quarters: std::ops::Range<i64>, tell: impl Fn(&House, i64)) -> Vec<FindingRow> {
    let house = House::new(METERS, MONDAY);
    let watch = house.watch();
    for quarter in quarters {
        tell(&house, quarter);
        let now = MONDAY + quarter * QUARTER_S + 120;
        house.clock.set(now);
        watch.round(now).unwrap();
    }
    // What was taken back is not there.
    let held = |row: &FindingRow| row.draft.closed != Some(row.draft.opened);
    house.findings().into_iter().filter(held).collect()
}

#[test]
fn a_node_whose_clock_is_right_is_not_spoken_of() {
    let found = walk(0..96, |house, quarter| house.record(&told(quarter, 0)));

    assert_eq!(kinds(&found), [] as [&str; 0]);
}

#[test]
fn local_time_called_universal_is_one_finding_of_the_node_and_no_silence() {
    let found = walk(0..96, |house, quarter| {
        house.record(&told(quarter, if quarter < 40 { 0 } else { -8 * HOUR_S }));
    });

    assert_eq!(kinds(&found), ["clock_wrong"]);
    let draft = &found[0].draft;
    assert_eq!((draft.opened, draft.closed), (MONDAY + 40 * QUARTER_S + 2, None));
    assert_eq!((draft.waste, draft.cost_e4), (0, 0));
    // Eight hours, where two minutes are allowed.
    assert!(draft.evidence.contains(",28800,120]"), "{}", draft.evidence);
}

#[test]
fn it_ends_when_the_clock_is_set() {
    let found = walk(0..120, |house, quarter| {
        let is_wrong = (40..80).contains(&quarter);
        house.record(&told(quarter, if is_wrong { -8 * HOUR_S } else { 0 }));
    });

    // In between was a day's gap by the meters' own dates: that is over, too.
    let clocks: Vec<_> = found.iter().filter(|row| row.draft.kind == "clock_wrong").collect();
    assert_eq!(clocks.len(), 1);
    assert_eq!(clocks[0].draft.closed, Some(MONDAY + 80 * QUARTER_S + 2));
    assert!(found.iter().all(|row| row.draft.closed.is_some()), "{found:?}");
}

#[test]
fn readings_kept_aside_for_their_date_say_which_clock_is_ahead() {
    let tell = |house: &House, quarter: i64| {
        if (40..80).contains(&quarter) {
            let aside = aside(quarter, 8 * HOUR_S);
            house.store.series().record_with_unreadable(&[], &aside).unwrap();
        } else {
            house.record(&told(quarter, 0));
        }
    };

    let found = walk(0..80, tell);
    let later = walk(0..160, tell);

    assert_eq!(kinds(&found), ["clock_wrong"]);
    assert_eq!(found[0].draft.closed, None);
    let clocks: Vec<_> = later.iter().filter(|row| row.draft.kind == "clock_wrong").collect();
    assert_eq!(clocks.len(), 1);
    assert_eq!(clocks[0].draft.closed, Some(MONDAY + 80 * QUARTER_S + 2));
    assert!(found[0].draft.evidence.contains(",-28800,120]"), "{}", found[0].draft.evidence);
}
