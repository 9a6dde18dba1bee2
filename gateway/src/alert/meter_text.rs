//! The words of mails about water that runs away and meters that count wrongly: one shape
//! for all of them, what differs is in the catalogue under `mail.<kind>`.

use analysis::finding::FindingKind;

use super::policy::Occasion;
use super::text::{Message, Writer, borrow, clip};
use crate::letter::{Letter, Tone};
use crate::words;

impl Writer<'_> {
    /// Returns what a person is told of a leak, a burst, a running toilet, a stuck meter, a
    /// spike, a sum that came late or a change of scale.
    pub(super) fn meter_message(&self, occasion: Occasion) -> Message {
        let finding = self.finding;
        let key = |what: &str| format!("mail.{}.{}.{what}", finding.kind.code(), occasion.word());
        let is_open = occasion == Occasion::Opened;
        // Both are over when they can first be told.
        let is_alone = matches!(finding.kind, FindingKind::Spike | FindingKind::DropoutWithCatchUp);
        let mut facts = vec![if is_open && finding.is_open() {
            self.fact("mail.fact.since", self.ago("mail.fact.since.value", finding.opened))
        } else {
            self.fact("mail.fact.span", self.span(finding.opened))
        }];
        match finding.kind {
            FindingKind::Leak | FindingKind::Burst | FindingKind::RunningToilet => {
                let label = if is_open { "mail.fact.lost_so_far" } else { "mail.fact.lost" };
                facts.push(self.fact(label, self.wasted()));
            }
            FindingKind::DropoutWithCatchUp => {
                facts.extend(self.sum().map(|it| self.fact("mail.fact.sum", it)));
            }
            FindingKind::ClockWrong => {
                facts.extend(self.clock().map(|it| self.fact("mail.fact.clock", it)));
            }
            FindingKind::ScaleChange => {
                facts.extend(self.factor().map(|it| self.fact("mail.fact.factor", it)));
            }
            FindingKind::PeakDemand => {
                facts.extend(self.demand().map(|it| self.fact("mail.fact.demand", it)));
            }
            FindingKind::SumMismatch => {
                facts.extend(self.rest().map(|it| self.fact("mail.fact.rest", it)));
            }
            FindingKind::PhaseImbalance | FindingKind::PowerFactorLow => {
                facts.extend(self.share());
            }
            FindingKind::AfterHoursLoad
            | FindingKind::GasWhenClosed
            | FindingKind::HighBaseLoad
            | FindingKind::LightsLeftOn
            | FindingKind::SilentMeter
            | FindingKind::Spike
            | FindingKind::Stuck
            | FindingKind::WeekendRunning => {}
        }
        facts.push(self.fact("mail.fact.meter", self.meter_name()));
        facts.push(self.fact("mail.fact.place", self.place()));
        let (name, since) = (self.meter_name(), self.moment(finding.opened));
        let (duration, wasted) = (self.duration(finding.opened), self.wasted());
        let params =
            [("meter", clip(&name)), ("since", since), ("duration", duration), ("wasted", wasted)];
        let named = [("meter", name)];
        Message {
            subject: self.text(&key("subject"), &borrow(&params)),
            letter: Letter {
                language: self.language,
                tone: if is_open { Tone::Attention } else { Tone::Good },
                title: self.text(&key("title"), &borrow(&named)),
                lead: if is_open { self.text(&key("lead"), &[]) } else { String::new() },
                facts,
                steps: if is_open { self.steps(&key("step"), &[]) } else { Vec::new() },
                button: self.text("mail.silent.button", &[]),
                link: self.finding_page(),
                footer: self.footer(match (is_alone, is_open) {
                    (true, _) => "mail.footer.alone",
                    (false, true) => "mail.footer.once",
                    (false, false) => "mail.footer.last",
                }),
            },
        }
    }

    /// Returns what a person is told of a finding that does not hold: readings that came late, or
    /// another finding, explain what it told of.
    pub(super) fn taken_back(&self) -> Message {
        let name = self.meter_name();
        let kind = self.text(&format!("kind.{}", self.finding.kind.code()), &[]);
        let params = [("meter", clip(&name)), ("kind", kind)];
        Message {
            subject: self.text("mail.taken_back.subject", &borrow(&params)),
            letter: Letter {
                language: self.language,
                tone: Tone::Good,
                title: self.text("mail.taken_back.title", &borrow(&params)),
                lead: self.text("mail.taken_back.lead", &[]),
                facts: vec![
                    self.fact("mail.fact.meter", name),
                    self.fact("mail.fact.place", self.place()),
                ],
                steps: Vec::new(),
                button: self.text("mail.silent.button", &[]),
                link: self.finding_page(),
                footer: self.footer("mail.footer.last"),
            },
        }
    }

    /// What a meter told at once, with what had been missing.
    fn sum(&self) -> Option<String> {
        let evidence = self.finding.evidence.first()?;
        let amount = |it: i64| words::amount(self.language, self.medium(), it);
        let (sum, usual) = (amount(evidence.amount), amount(evidence.limit));
        Some(self.text("mail.fact.sum.value", &[("sum", &sum), ("usual", &usual)]))
    }

    /// How far a clock is from ours: the evidence has how much later than their date readings
    /// came, s.
    fn clock(&self) -> Option<String> {
        let late_s = self.finding.evidence.first()?.amount;
        let key = if late_s < 0 { "mail.fact.clock.ahead" } else { "mail.fact.clock.behind" };
        let off = words::duration(self.language, late_s.saturating_abs());
        Some(self.text(key, &[("duration", &off)]))
    }

    /// What is left between a meter and those behind it, and what would be usual: the newest
    /// day, thousandths.
    fn rest(&self) -> Option<String> {
        let newest = self.finding.evidence.last()?;
        let percent = |milli: i64| {
            let sign = if milli < 0 { "-" } else { "" };
            format!("{sign}{}.{}", milli.abs() / 10, milli.abs() % 10)
        };
        let params = [("percent", percent(newest.amount)), ("limit", percent(newest.limit))];
        Some(self.text("mail.fact.rest.value", &borrow(&params)))
    }

    /// The highest demand and what was allowed: the evidence has energies of quarter hours.
    fn demand(&self) -> Option<String> {
        let highest = self.finding.evidence.iter().max_by_key(|it| it.amount)?;
        // Four quarter hours to the hour; thousandths of a Wh to kW with one decimal.
        let kw = |mwh: i64| {
            let tenths = mwh.saturating_mul(4) / 100_000;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let (demand, limit) = (kw(highest.amount), kw(highest.limit));
        Some(self.text("mail.fact.demand.value", &[("demand", &demand), ("limit", &limit)]))
    }

    /// The worst power factor or imbalance and what was allowed: the evidence has thousandths.
    fn share(&self) -> Option<(String, String)> {
        let evidence = self.finding.evidence.iter();
        if self.finding.kind == FindingKind::PowerFactorLow {
            let worst = evidence.min_by_key(|it| it.amount)?;
            let factor = |milli: i64| format!("{}.{:03}", milli / 1_000, milli.abs() % 1_000);
            let params = [("factor", factor(worst.amount)), ("limit", factor(worst.limit))];
            let value = self.text("mail.fact.power_factor.value", &borrow(&params));
            return Some(self.fact("mail.fact.power_factor", value));
        }
        let worst = evidence.max_by_key(|it| it.amount)?;
        let percent = |milli: i64| format!("{}.{}", milli / 10, milli.abs() % 10);
        let params = [("percent", percent(worst.amount)), ("limit", percent(worst.limit))];
        let value = self.text("mail.fact.imbalance.value", &borrow(&params));
        Some(self.fact("mail.fact.imbalance", value))
    }

    /// By which factor a meter counts otherwise, in tenths: the evidence says what was
    /// measured and what it would have been.
    fn factor(&self) -> Option<String> {
        let evidence = self.finding.evidence.first()?;
        let (more, less) = (evidence.amount, evidence.limit);
        let tenths = |more: i64, less: i64| {
            more.checked_mul(10)?.checked_add(less / 2)?.checked_div(less).filter(|it| 0 < *it)
        };
        let (key, tenths) = if less <= more {
            ("mail.fact.factor.more", tenths(more, less)?)
        } else {
            ("mail.fact.factor.less", tenths(less, more)?)
        };
        let factor = format!("{}.{}", tenths / 10, tenths % 10);
        Some(self.text(key, &[("factor", &factor)]))
    }
}
