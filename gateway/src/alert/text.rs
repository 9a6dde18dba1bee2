//! The words of each mail: which facts, in which order, with which page behind the button.

use analysis::calendar::Opening;
use analysis::finding::{Finding, FindingKind};
use analysis::model::OwnModel;
use analysis::site::{Area, Language, Medium, Meter, Site};
use wire::Protocol;

use super::policy::Occasion;
use super::{Change, Surroundings};
use crate::letter::{Letter, Tone};
use crate::words::{self, text};

/// A subject and what stands under it.
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) letter: Letter,
}

// Many read only the notice that their phone shows of a mail, about fifteen Chinese
// characters: thirty columns. The state ("灯未关", "lights on") needs twelve of them.
const PLACE_COLUMNS: usize = 18;

// Far enough back for the longest holiday.
const CLOSED_LOOK_BACK_S: i64 = 14 * 86_400;

/// Returns what a person is told of a finding.
pub(super) fn message(
    change: &Change<'_>,
    occasion: Occasion,
    around: &Surroundings<'_>,
    language: Language,
) -> Message {
    let writer = Writer { finding: change.finding, id: change.id, around, language };
    let ended = change.finding.closed == Some(change.finding.opened);
    match (change.finding.kind, occasion) {
        // Lights say why: a permit that came afterwards.
        (kind, Occasion::Closed) if ended && kind != FindingKind::LightsLeftOn => {
            writer.taken_back()
        }
        (FindingKind::LightsLeftOn, Occasion::Opened) => writer.lights_opened(),
        (FindingKind::LightsLeftOn, Occasion::Closed) => writer.lights_closed(),
        (
            FindingKind::AfterHoursLoad
            | FindingKind::GasWhenClosed
            | FindingKind::HighBaseLoad
            | FindingKind::WeekendRunning,
            Occasion::Opened,
        ) => writer.load_opened(),
        (
            FindingKind::AfterHoursLoad
            | FindingKind::GasWhenClosed
            | FindingKind::HighBaseLoad
            | FindingKind::WeekendRunning,
            Occasion::Closed,
        ) => writer.load_closed(),
        (FindingKind::SilentMeter, Occasion::Opened) => writer.silent_opened(),
        (FindingKind::SilentMeter, Occasion::Closed) => writer.silent_closed(),
        (
            FindingKind::Leak
            | FindingKind::Burst
            | FindingKind::ClockWrong
            | FindingKind::DropoutWithCatchUp
            | FindingKind::PeakDemand
            | FindingKind::PhaseImbalance
            | FindingKind::PowerFactorLow
            | FindingKind::RunningToilet
            | FindingKind::Stuck
            | FindingKind::Spike
            | FindingKind::ScaleChange
            | FindingKind::SumMismatch,
            occasion,
        ) => writer.meter_message(occasion),
    }
}

pub(super) struct Writer<'a> {
    pub(super) finding: &'a Finding,
    id: i64,
    around: &'a Surroundings<'a>,
    pub(super) language: Language,
}

impl Writer<'_> {
    fn lights_opened(&self) -> Message {
        let since = words::time_of_day(&self.site().zone, self.finding.opened);
        let wasted = self.wasted();
        let mut facts = vec![
            self.fact("mail.fact.since", self.ago("mail.fact.since.value", self.finding.opened)),
            self.fact("mail.fact.so_far", wasted.clone()),
            self.fact("mail.fact.circuit", self.meter_name()),
        ];
        if let Some(closed) = self.area_closed_since() {
            facts.insert(0, self.fact("mail.fact.closed", self.moment(closed)));
        }
        let marks = ["switched_off", "overtime", "false_alarm"]
            .map(|mark| (mark, self.text(&format!("word.{mark}"), &[])));
        let marks: Vec<_> = marks.iter().map(|(mark, word)| (*mark, word.as_str())).collect();
        let place = [("place", self.place())];
        Message {
            subject: self.text(
                "mail.lights.opened.subject",
                &[("place", &self.short_place()), ("since", &since), ("wasted", &wasted)],
            ),
            letter: Letter {
                language: self.language,
                tone: Tone::Attention,
                title: self.text("mail.lights.opened.title", &borrow(&place)),
                lead: self.text("mail.lights.opened.lead", &[]),
                facts,
                steps: self.steps("mail.lights.opened.step", &marks),
                button: self.text("mail.lights.opened.button", &[]),
                link: format!("{}/patrol#finding-{}", self.around.base_url, self.id),
                footer: self.footer("mail.footer.once"),
            },
        }
    }

    fn lights_closed(&self) -> Message {
        // It closed because the lights went off, or because nobody minds them any more.
        let end = match self.opening() {
            Some(opening) if opening.is_excepted(self.end()) => "permitted",
            Some(opening) if opening.is_open(self.end()) => "ended",
            _ => "closed",
        };
        let wasted = self.wasted();
        let place = [("place", self.place())];
        let day = words::day(&self.site().zone, self.finding.opened);
        Message {
            subject: self.text(
                &format!("mail.lights.{end}.subject"),
                &[
                    ("place", &self.short_place()),
                    ("duration", &self.duration(self.finding.opened)),
                    ("wasted", &wasted),
                ],
            ),
            letter: Letter {
                language: self.language,
                tone: Tone::Good,
                title: self.text(&format!("mail.lights.{end}.title"), &borrow(&place)),
                lead: String::new(),
                facts: vec![
                    self.fact("mail.fact.span", self.span(self.finding.opened)),
                    self.fact("mail.fact.wasted", wasted),
                    self.fact("mail.fact.circuit", self.meter_name()),
                ],
                steps: Vec::new(),
                button: self.text("mail.lights.closed.button", &[]),
                link: format!("{}/meters/{}?date={day}", self.around.base_url, self.finding.meter),
                footer: self.footer("mail.footer.last"),
            },
        }
    }

    /// A load that ran when it usually rests, or rose: its words stand under its kind.
    fn load_opened(&self) -> Message {
        let kind = format!("mail.{}.opened", self.finding.kind.code());
        let since = self.moment(self.finding.opened);
        let wasted = self.wasted();
        let place = [("place", self.place())];
        Message {
            subject: self.text(
                &format!("{kind}.subject"),
                &[("place", &self.short_place()), ("since", &since), ("wasted", &wasted)],
            ),
            letter: Letter {
                language: self.language,
                tone: Tone::Attention,
                title: self.text(&format!("{kind}.title"), &borrow(&place)),
                lead: self.text(&format!("{kind}.lead"), &[]),
                facts: vec![
                    self.fact(
                        "mail.fact.since",
                        self.ago("mail.fact.since.value", self.finding.opened),
                    ),
                    self.fact("mail.fact.so_far", wasted),
                    self.fact(self.circuit_label(), self.meter_name()),
                ],
                steps: self.steps(&format!("{kind}.step"), &[]),
                button: self.text("mail.load.button", &[]),
                link: self.finding_page(),
                footer: self.footer("mail.footer.once"),
            },
        }
    }

    fn load_closed(&self) -> Message {
        let kind = format!("mail.{}.closed", self.finding.kind.code());
        let wasted = self.wasted();
        let place = [("place", self.place())];
        Message {
            subject: self.text(
                &format!("{kind}.subject"),
                &[("place", &self.short_place()), ("wasted", &wasted)],
            ),
            letter: Letter {
                language: self.language,
                tone: Tone::Good,
                title: self.text(&format!("{kind}.title"), &borrow(&place)),
                lead: String::new(),
                facts: vec![
                    self.fact("mail.fact.span", self.span(self.finding.opened)),
                    self.fact("mail.fact.wasted", wasted),
                    self.fact(self.circuit_label(), self.meter_name()),
                ],
                steps: Vec::new(),
                button: self.text("mail.load.button", &[]),
                link: self.finding_page(),
                footer: self.footer("mail.footer.last"),
            },
        }
    }

    /// Only electricity has circuits.
    fn circuit_label(&self) -> &'static str {
        match self.medium() {
            Medium::Water | Medium::Gas | Medium::Heat => "mail.fact.meter",
            Medium::Electricity => "mail.fact.circuit",
        }
    }

    fn silent_opened(&self) -> Message {
        let since = self.moment(self.last_reading());
        let mut facts = vec![
            self.fact(
                "mail.fact.last_reading",
                self.ago("mail.fact.last_reading.value", self.last_reading()),
            ),
            self.fact("mail.fact.meter", self.meter_name()),
            self.fact("mail.fact.place", self.place()),
        ];
        if let Some(meter) = self.meter() {
            let node = meter.node.to_string();
            let unit_id = address(meter);
            let params = [("node", node.as_str()), ("unit_id", &unit_id), ("model", &meter.model)];
            // Other people's devices have no address on a bus.
            let connection = if meter.address.number() == 0 {
                self.text("mail.fact.connection.mapped", &[params[0], params[2]])
            } else {
                self.text("mail.fact.connection.value", &params)
            };
            facts.push(self.fact("mail.fact.connection", connection));
        }
        let name = [("meter", self.meter_name())];
        Message {
            subject: self.text(
                "mail.silent.opened.subject",
                &[("meter", &clip(&self.meter_name())), ("since", &since)],
            ),
            letter: Letter {
                language: self.language,
                tone: Tone::Attention,
                title: self.text("mail.silent.opened.title", &borrow(&name)),
                lead: self.text("mail.silent.opened.lead", &[]),
                facts,
                steps: self.steps("mail.silent.opened.step", &[]),
                button: self.text("mail.silent.button", &[]),
                link: self.finding_page(),
                footer: self.footer("mail.footer.once"),
            },
        }
    }

    fn silent_closed(&self) -> Message {
        let name = [("meter", self.meter_name())];
        Message {
            subject: self.text(
                "mail.silent.closed.subject",
                &[
                    ("meter", &clip(&self.meter_name())),
                    ("duration", &self.duration(self.last_reading())),
                ],
            ),
            letter: Letter {
                language: self.language,
                tone: Tone::Good,
                title: self.text("mail.silent.closed.title", &borrow(&name)),
                lead: self.text("mail.silent.closed.lead", &[]),
                facts: vec![
                    self.fact("mail.fact.without_readings", self.span(self.last_reading())),
                    self.fact("mail.fact.meter", self.meter_name()),
                    self.fact("mail.fact.place", self.place()),
                ],
                steps: Vec::new(),
                button: self.text("mail.silent.button", &[]),
                link: self.finding_page(),
                footer: self.footer("mail.footer.last"),
            },
        }
    }

    pub(super) fn text(&self, key: &str, params: &[(&str, &str)]) -> String {
        text(self.language, key, params)
    }

    pub(super) fn fact(&self, key: &str, value: String) -> (String, String) {
        (self.text(key, &[]), value)
    }

    pub(super) fn steps(&self, key: &str, params: &[(&str, &str)]) -> Vec<String> {
        (1..=3).map(|n| self.text(&format!("{key}.{n}"), params)).collect()
    }

    pub(super) fn footer(&self, key: &str) -> Vec<String> {
        let site = self.site().name.get(self.language);
        vec![self.text(key, &[]), self.text("mail.footer.sender", &[("site", site)])]
    }

    fn site(&self) -> &Site {
        self.around.site
    }

    fn area(&self) -> Option<&Area> {
        self.site().area(&self.finding.area)
    }

    fn meter(&self) -> Option<&Meter> {
        self.site().meter(&self.finding.meter)
    }

    pub(super) fn meter_name(&self) -> String {
        match self.meter() {
            Some(meter) => meter.name.get(self.language).to_owned(),
            None => self.finding.meter.to_string(),
        }
    }

    fn area_name(&self) -> String {
        match self.area() {
            Some(area) => area.name.get(self.language).to_owned(),
            None => self.finding.area.to_string(),
        }
    }

    /// Building and area; the area alone where its name says the building already.
    pub(super) fn place(&self) -> String {
        let area = self.area_name();
        let building = self.area().and_then(|area| self.site().building(&area.building));
        match building.map(|building| building.name.get(self.language)) {
            Some(building) if !area.starts_with(building) => {
                self.text("word.place", &[("building", building), ("area", &area)])
            }
            _ => area,
        }
    }

    fn short_place(&self) -> String {
        let place = self.place();
        if columns(&place) <= PLACE_COLUMNS { place } else { clip(&self.area_name()) }
    }

    /// Where the finding stands with the days that prove it, what to do, and its answers.
    pub(super) fn finding_page(&self) -> String {
        format!("{}/findings/{}", self.around.base_url, self.id)
    }

    pub(super) fn moment(&self, instant: i64) -> String {
        words::moment(self.language, &self.site().zone, instant, self.around.now)
    }

    fn end(&self) -> i64 {
        self.finding.closed.unwrap_or(self.around.now)
    }

    pub(super) fn duration(&self, from: i64) -> String {
        words::duration(self.language, self.end() - from)
    }

    /// A silent meter's evidence begins with its last reading.
    fn last_reading(&self) -> i64 {
        self.finding.evidence.first().map_or(self.finding.opened, |first| first.start)
    }

    pub(super) fn ago(&self, key: &str, from: i64) -> String {
        let at = self.moment(from);
        let duration = words::duration(self.language, self.around.now - from);
        self.text(key, &[("at", &at), ("duration", &duration)])
    }

    pub(super) fn span(&self, from: i64) -> String {
        let zone = &self.site().zone;
        let (duration, end) = (self.duration(from), self.end());
        let until = if words::day(zone, from) == words::day(zone, end) {
            words::time_of_day(zone, end)
        } else {
            self.moment(end)
        };
        let from = self.moment(from);
        let params = [("from", &*from), ("until", &*until), ("duration", &*duration)];
        self.text("mail.fact.span.value", &params)
    }

    pub(super) fn medium(&self) -> Medium {
        self.meter().map_or(Medium::Electricity, |meter| meter.medium)
    }

    pub(super) fn wasted(&self) -> String {
        let amount = words::amount(self.language, self.medium(), self.finding.waste);
        let Some(cost_e4) = self.finding.cost_e4 else {
            return self.text("mail.wasted.unpriced", &[("amount", &amount)]);
        };
        let cost = words::money(self.language, cost_e4, &self.site().currency);
        self.text("mail.wasted", &[("amount", &amount), ("cost", &cost)])
    }

    fn opening(&self) -> Option<Opening<'_>> {
        let area = self.area()?;
        Some(Opening {
            area: &area.id,
            hours: self.site().hours_of(&area.id)?,
            calendar: self.around.calendar,
            zone: &self.site().zone,
            exceptions: self.around.exceptions,
        })
    }

    fn area_closed_since(&self) -> Option<i64> {
        self.opening()?.closed_since(self.finding.opened, CLOSED_LOOK_BACK_S)
    }
}

pub(super) fn borrow<'a, const N: usize>(
    params: &'a [(&'a str, String); N],
) -> [(&'a str, &'a str); N] {
    params.each_ref().map(|(name, value)| (*name, value.as_str()))
}

/// Returns what a meter is called on its bus: a unit id, or the number on its plate.
fn address(meter: &Meter) -> String {
    let own = meter.own_models.iter().find(|own| own.id == meter.model);
    let built_in = || wire::models::by_id(&meter.model).map(|model| model.map.protocol());
    let protocol = own.map(OwnModel::protocol).or_else(built_in);
    let (number, digits) = (meter.address.number(), protocol.map_or(0, Protocol::digits));
    match usize::try_from(digits) {
        Ok(width) if 0 < width => format!("{number:0>width$x}"),
        _ => number.to_string(),
    }
}

/// The width of a text in columns; Chinese characters and their punctuation take two.
fn columns(text: &str) -> usize {
    text.chars().map(column_count).sum()
}

const fn column_count(c: char) -> usize {
    // East Asian Wide and Fullwidth begin at U+1100 (UAX 11), as near as a subject needs it.
    if '\u{1100}' <= c { 2 } else { 1 }
}

/// Returns a place that leaves room for its state in a phone's notice.
pub(super) fn clip(place: &str) -> String {
    if columns(place) <= PLACE_COLUMNS {
        return place.to_owned();
    }
    let mut out = String::new();
    let mut room = PLACE_COLUMNS - 1;
    for c in place.chars() {
        let Some(left) = room.checked_sub(column_count(c)) else { break };
        room = left;
        out.push(c);
    }
    format!("{}…", out.trim_end())
}
