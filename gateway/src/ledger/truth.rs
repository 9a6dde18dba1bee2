//! What detectors that look at weeks say of a meter: water that runs away, meters that count
//! wrongly. For the watchman's round and for a preview alike.
//!
//! In: a meter's hours, and what people said to earlier findings. Out: stretches of time, and
//! when each could first be said. Nothing is written down here.
//!
//! Not here: loads (`loads`), what comes from other readings than the counter (`supply`).

use analysis::detect::{
    BurstLimits, LeakLimits, MeterLimits, ScaleLimits, Spell, SpikeLimits, Standstill,
    StandstillLimits, ToiletLimits, WaterLimits, meter_faults, water,
};
use analysis::finding::FindingKind;
use analysis::site::{Medium, Meter};
use analysis::track::Track;

use super::Ledger;
use super::loads::Raised;
use crate::store::StoreError;

/// How much above a flow that was called right is allowed: a quarter, as each other limit is
/// raised by.
const ABOVE_CALLED: f64 = 1.25;

impl Ledger {
    /// Returns what the detectors of water and of meters say of a meter's hours. A meter from
    /// which nothing comes is told as silent already, so gaps are not told here.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn water_and_truth(
        &self,
        meter: &Meter,
        hours: &Track,
        now: i64,
    ) -> Result<Vec<(FindingKind, Spell)>, StoreError> {
        let mut raised = Vec::new();
        for kind in [
            FindingKind::Burst,
            FindingKind::Leak,
            FindingKind::RunningToilet,
            FindingKind::Spike,
            FindingKind::Stuck,
        ] {
            raised.push((kind, self.raised(&meter.id, kind, now)?));
        }
        let of = |kind: FindingKind| {
            let found = raised.iter().find(|it| it.0 == kind);
            found.map(|it| it.1.clone()).unwrap_or_default()
        };
        Ok(found(meter.medium, hours, &of))
    }
}

fn water_limits(raised: &dyn Fn(FindingKind) -> Raised) -> WaterLimits {
    let (burst, leak, toilet) =
        (BurstLimits::default(), LeakLimits::default(), ToiletLimits::default());
    let called = raised(FindingKind::Leak);
    #[expect(clippy::cast_precision_loss, reason = "a flow bears the last bit")]
    let rate = called.rate as f64;
    let toilets = raised(FindingKind::RunningToilet).factor();
    WaterLimits {
        burst: BurstLimits { factor: burst.factor * raised(FindingKind::Burst).factor(), ..burst },
        // A factor of nearly nothing is nearly nothing: the flow itself was called right.
        leak: LeakLimits {
            margin: (leak.margin * called.factor()).max(rate * ABOVE_CALLED),
            ..leak
        },
        toilet: ToiletLimits {
            sum: toilet.sum * toilets,
            usual_least: toilet.usual_least * toilets,
            ..toilet
        },
    }
}

fn meter_limits(medium: Medium, raised: &dyn Fn(FindingKind) -> Raised) -> MeterLimits {
    // Gas for heating and heat rest all summer.
    let (standstill, scale) = match medium {
        Medium::Electricity => (StandstillLimits::default(), ScaleLimits::default()),
        Medium::Water | Medium::Gas | Medium::Heat => {
            (StandstillLimits::by_people(), ScaleLimits::weather_driven())
        }
    };
    let spike = SpikeLimits::default();
    let stuck = raised(FindingKind::Stuck).factor();
    MeterLimits {
        standstill: StandstillLimits { factor: standstill.factor * stuck, ..standstill },
        spike: SpikeLimits { factor: spike.factor * raised(FindingKind::Spike).factor(), ..spike },
        scale,
    }
}

/// What the detectors say of a meter's hours; `raised` says by how much people's words have
/// raised the limits of each.
fn found(
    medium: Medium,
    track: &Track,
    raised: &dyn Fn(FindingKind) -> Raised,
) -> Vec<(FindingKind, Spell)> {
    let mut found = Vec::new();
    let mut add = |kind: FindingKind, spells: Vec<Spell>| {
        found.extend(spells.into_iter().map(|spell| (kind, spell)));
    };
    let faults = meter_faults(track, None, &meter_limits(medium, raised));
    let (mut stood, mut caught_up) = (Vec::new(), faults.catch_ups);
    for it in faults.standstills {
        match (it, medium) {
            // It counted on, and only what it told stood still.
            (Standstill::Rest(spell, true), Medium::Electricity | Medium::Water) => {
                caught_up.push(spell);
            }
            (Standstill::Rest(spell, false), Medium::Electricity | Medium::Water)
            | (Standstill::Same(spell), Medium::Electricity) => stood.push(spell),
            (Standstill::Rest(..) | Standstill::Same(_) | Standstill::Gap(_), _) => {}
        }
    }
    // What is a sum must be known before it is looked at as anything else.
    add(FindingKind::DropoutWithCatchUp, caught_up);
    add(FindingKind::Stuck, stood);
    if medium == Medium::Water {
        let water = water(track, &water_limits(raised));
        add(FindingKind::Burst, water.bursts);
        add(FindingKind::Leak, water.leaks);
        add(FindingKind::RunningToilet, water.toilets);
    } else {
        add(FindingKind::Spike, faults.spikes);
        add(FindingKind::ScaleChange, faults.scales);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_S: i64 = 3_600;

    fn track(hours: usize, amount: impl Fn(usize) -> Option<i64>) -> Track {
        Track { start: 0, step_s: HOUR_S, amounts: (0..hours).map(amount).collect() }
    }

    #[test]
    fn one_cause_is_one_finding() {
        let by_day = |hour: usize| i64::from(7 <= hour % 24 && hour % 24 < 19);
        let noise = |hour: usize| i64::try_from(hour * 7_919 % 97).unwrap() * 100;
        let leaking = track(60 * 24, |hour| {
            let leak = if hour < 50 * 24 { 0 } else { 6_000 };
            Some(by_day(hour) * (20_000 + noise(hour)) + leak)
        });
        let burst = track(60 * 24, |hour| {
            let burst = if hour < 58 * 24 { 0 } else { 400_000 };
            Some(by_day(hour) * (20_000 + noise(hour)) + burst)
        });

        let kinds = |track: &Track| {
            found(Medium::Water, track, &|_| Raised::default())
                .into_iter()
                .map(|(kind, _)| kind)
                .collect::<Vec<_>>()
        };

        assert_eq!(kinds(&leaking), [FindingKind::Leak]);
        assert_eq!(kinds(&burst), [FindingKind::Burst]);
    }

    #[test]
    fn gas_that_rests_all_summer_is_no_fault() {
        let winter = |hour: usize| {
            (hour < 40 * 24).then(|| 50_000 + i64::try_from(hour * 7_919 % 97).unwrap() * 300)
        };

        let found =
            found(Medium::Gas, &track(70 * 24, |hour| Some(winter(hour).unwrap_or(0))), &|_| {
                Raised::default()
            });

        assert_eq!(found, []);
    }

    #[test]
    fn a_flow_that_was_called_right_is_allowed_and_a_larger_one_is_not() {
        let by_day = |hour: usize| i64::from(7 <= hour % 24 && hour % 24 < 19);
        let noise = |hour: usize| i64::try_from(hour * 7_919 % 97).unwrap() * 100;
        let leaking = |flow: i64| {
            track(60 * 24, move |hour| {
                let leak = if hour < 50 * 24 { 0 } else { flow };
                Some(by_day(hour) * (20_000 + noise(hour)) + leak)
            })
        };
        let called = |kind: FindingKind| {
            if kind == FindingKind::Leak {
                Raised { milli: 250, findings: vec![1], rate: 6_000 }
            } else {
                Raised::default()
            }
        };
        let leaks = |track: &Track, raised: &dyn Fn(FindingKind) -> Raised| {
            let all = found(Medium::Water, track, raised);
            all.into_iter().filter(|it| it.0 == FindingKind::Leak).count()
        };

        assert_eq!(leaks(&leaking(6_000), &|_| Raised::default()), 1);
        assert_eq!(leaks(&leaking(6_000), &called), 0);
        assert_eq!(leaks(&leaking(12_000), &called), 1);
    }
}
