//! How the messages of other people's devices become readings, as data in the site book.
//!
//! In: the `[[mapping]]` sections. Out: [`Mapping`]s, checked: topics that can be
//! subscribed to, paths that can be walked, units that fit their quantity.
//!
//! Not here: carrying a mapping out (`ingest::mapped`), the ready-made ones
//! ([`super::presets`]).

use wire::{Name, Quantity, Unit};

use super::path::Path;
use super::presets::{self, Preset};
use super::topic::TopicPattern;
use crate::document::Section;

/// Messages of a kind, and the meters that they tell of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its identifier; stands as "node" beside every reading that came by it.
    pub id: Name,
    /// The word for it where a meter's model is shown: the preset, `json` or `sparkplug`.
    pub word: String,
    /// How often its meters are expected to tell something, s.
    pub interval_s: u32,
    /// What to do with which topic. The first that fits a topic is used.
    pub routes: Vec<Route>,
    /// The meters that it feeds.
    pub meters: Vec<MappedMeter>,
}

/// A meter, as the messages call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedMeter {
    /// Which meter.
    pub id: Name,
    /// What stands for it in the topic or in the payload.
    pub device: String,
    /// Which of several meters in one device; empty where there is but one.
    pub channel: String,
}

/// What is done with the messages of one topic filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// JSON, or a bare number.
    Json(JsonRoute),
    /// Sparkplug B.
    Sparkplug(SparkplugRoute),
}

/// How a JSON message is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonRoute {
    /// Which topics.
    pub topic: TopicPattern,
    /// Where the payload says which device it is about, if the topic does not.
    pub device: Option<Path>,
    /// What is taken out of it. Of several for one quantity the first that is there counts.
    pub values: Vec<ValueRule>,
    /// How the instant is found.
    pub time: TimeRule,
    /// What must hold for the message to be looked at.
    pub when: Vec<Condition>,
    /// How the sender numbers its messages, if it does.
    pub numbering: Option<Numbering>,
    /// What a repetition without a time of its own means.
    pub repeats: Repeats,
}

/// Which Sparkplug nodes are listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkplugRoute {
    /// The group; `None` is every group.
    pub group: Option<String>,
    /// The edge node; `None` is every one.
    pub edge: Option<String>,
    /// What is taken out of its metrics.
    pub values: Vec<ValueRule>,
}

/// One quantity and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueRule {
    /// What it is.
    pub quantity: Quantity,
    /// Where it stands in JSON; the whole payload if it has no steps.
    pub at: Path,
    /// The name of the metric, in Sparkplug.
    pub metric: String,
    /// What one of theirs is; `None` if only the birth message tells the unit.
    pub scale: Option<Scale>,
    /// By how much a value is multiplied besides, in millionths.
    pub factor_e6: i64,
    /// The meter it belongs to, where the message does not name one.
    pub meter: Option<Name>,
}

/// Thousandths of our unit in one of theirs, as a fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Above the line.
    pub numerator: i64,
    /// Below it; more than 0.
    pub denominator: i64,
}

/// How the instant of a reading is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeRule {
    /// The message has none: when it came in.
    Receipt,
    /// At the first of these places that is there.
    At(Vec<Path>, TimeFormat),
}

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// By its look: Unix seconds below 100,000,000,000, else milliseconds; a date and
    /// time with an offset; without one, in the zone of the site.
    #[default]
    Auto,
    /// Unix seconds.
    UnixS,
    /// Unix milliseconds.
    UnixMs,
}

/// What must stand in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Where.
    pub at: Path,
    /// What, as a text; a number as it is written.
    pub equals: String,
}

/// How a sender numbers its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// Where the number stands.
    pub seq: Path,
    /// Where what changes at each new start stands; `None` if the number never starts anew.
    pub boot: Option<Path>,
}

/// What a value that says the same as the one before means, if it has no time of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// Whoever passes it on may have kept it for days: it is no reading.
    #[default]
    Stale,
    /// The device itself measured it again.
    Fresh,
}

/// Returns how many thousandths of our unit one of theirs is; `None` if that word is no
/// unit of such a quantity. Written as on devices, `m3` or `m³`.
#[must_use]
pub fn scale_of(word: &str, quantity: Quantity) -> Option<Scale> {
    let (numerator, denominator) = match (quantity.unit(), word) {
        (Unit::Watt, "mW")
        | (Unit::WattHour, "mWh")
        | (Unit::Volt, "mV")
        | (Unit::Ampere, "mA")
        | (Unit::Litre, "mL")
        | (Unit::Hertz, "mHz") => (1, 1),
        (Unit::Watt, "W")
        | (Unit::Var, "var" | "Var" | "VAr" | "VAR")
        | (Unit::VoltAmpere, "VA")
        | (Unit::One, "1" | "")
        | (Unit::Hertz, "Hz")
        | (Unit::Volt, "V")
        | (Unit::Ampere, "A")
        | (Unit::WattHour, "Wh")
        | (Unit::VarHour, "varh")
        | (Unit::Litre, "L" | "l" | "dm3")
        | (Unit::LitrePerHour, "L/h" | "l/h")
        | (Unit::Celsius, "C" | "°C" | "℃")
        | (Unit::Pascal, "Pa")
        | (Unit::Lux, "lx" | "lux")
        | (Unit::Percent, "%") => (1_000, 1),
        (Unit::Watt, "kW")
        | (Unit::Var, "kvar" | "kVar" | "kVAr")
        | (Unit::VoltAmpere, "kVA")
        | (Unit::Volt, "kV")
        | (Unit::Ampere, "kA")
        | (Unit::WattHour, "kWh")
        | (Unit::VarHour, "kvarh")
        | (Unit::Litre, "m3" | "m³")
        | (Unit::LitrePerHour, "m3/h" | "m³/h")
        | (Unit::Pascal, "kPa") => (1_000_000, 1),
        (Unit::Watt, "MW")
        | (Unit::WattHour, "MWh")
        | (Unit::VarHour, "Mvarh")
        | (Unit::Pascal, "MPa") => (1_000_000_000, 1),
        (Unit::One, "%") => (10, 1),
        (Unit::Pascal, "hPa" | "mbar") => (100_000, 1),
        (Unit::Pascal, "bar") => (100_000_000, 1),
        (Unit::LitrePerHour, "L/min" | "l/min") => (60_000, 1),
        (Unit::LitrePerHour, "L/s" | "l/s") => (3_600_000, 1),
        // Watt-minutes, as the first generation of Shelly counts; a joule is a watt-second.
        (Unit::WattHour, "Wmin") => (50, 3),
        (Unit::WattHour, "J" | "Ws") => (5, 18),
        (Unit::WattHour, "kJ") => (2_500, 9),
        (Unit::WattHour, "MJ") => (2_500_000, 9),
        (Unit::WattHour, "GJ") => (2_500_000_000, 9),
        _ => return None,
    };
    Some(Scale { numerator, denominator })
}

/// Reads a `[[mapping]]`.
pub(super) fn read(section: &Section<'_>) -> Option<Mapping> {
    let id = section.need_parsed("id");
    let interval_s = section.integer("interval_s", 1..=86_400).unwrap_or(300);
    let presets: Vec<(&str, &Preset)> = presets::PRESETS.iter().map(|it| (it.id, it)).collect();
    let preset = section.choice("preset", &presets);
    let kinds = [("json", false), ("sparkplug", true)];
    let sparkplug = section.choice("kind", &kinds).unwrap_or(false);
    let own = section.sections("value", |value| read_value(value, sparkplug));
    let routes = if sparkplug {
        if preset.is_some() {
            section.mistake("preset", "is for JSON; Sparkplug needs none");
        }
        let name = |key: &str| {
            let text = section.text(key).filter(|text| *text != "+");
            if text.is_some_and(|text| text.is_empty() || text.contains(['/', '+', '#'])) {
                section.mistake(key, "is a Sparkplug id, or `+` for all; without `/` and `#`");
            }
            text.map(str::to_owned)
        };
        let (group, edge) = (name("group"), name("edge"));
        need_values(section, own.is_empty() && !section.has("value"));
        vec![Route::Sparkplug(SparkplugRoute { group, edge, values: own })]
    } else {
        read_json(section, preset, &own)?
    };
    let word = preset.map_or(if sparkplug { "sparkplug" } else { "json" }, |preset| preset.id);
    Some(Mapping {
        id: id?,
        word: word.to_owned(),
        interval_s: u32::try_from(interval_s).ok()?,
        routes,
        meters: Vec::new(),
    })
}

fn need_values(section: &Section<'_>, missing: bool) {
    if missing {
        section.mistake("value", "is missing: say with `[[mapping.value]]` what is taken out");
    }
}

fn read_json(
    section: &Section<'_>,
    preset: Option<&Preset>,
    own: &[ValueRule],
) -> Option<Vec<Route>> {
    let topic = section.parsed::<TopicPattern>("topic");
    let device = section.parsed("device");
    let paths = section.text("time").map(|text| match text {
        "receipt" => Some(TimeRule::Receipt),
        _ => section.parsed("time").map(|path| TimeRule::At(vec![path], TimeFormat::Auto)),
    });
    let formats = [
        ("auto", TimeFormat::Auto),
        ("unix_s", TimeFormat::UnixS),
        ("unix_ms", TimeFormat::UnixMs),
    ];
    let format = section.choice("time_format", &formats);
    let repeats = [("stale", Repeats::Stale), ("fresh", Repeats::Fresh)];
    let repeats = section.choice("repeats", &repeats);
    let when = section.sections("when", |when| {
        let at = when.need_parsed("at");
        let equals = when.need_text("equals").unwrap_or_default().to_owned();
        Some(Condition { at: at?, equals })
    });
    let numbering = read_numbering(section);
    let fill = |mut route: JsonRoute| {
        let mut values = own.to_vec();
        values.append(&mut route.values);
        route.values = values;
        if let Some(time) = paths.clone().flatten() {
            route.time = time;
        }
        if let (TimeRule::At(_, kept), Some(format)) = (&mut route.time, format) {
            *kept = format;
        }
        route.repeats = repeats.unwrap_or(route.repeats);
        route.device = device.clone().or(route.device);
        route.when.extend(when.iter().cloned());
        route.numbering.clone_from(&numbering);
        route
    };
    match preset {
        Some(preset) => {
            let mut routes = preset.routes();
            if let Some(topic) = topic {
                match routes.as_mut_slice() {
                    [only] => only.topic = topic,
                    _ => section.mistake("topic", "cannot be set: this preset has several topics"),
                }
            }
            Some(routes.into_iter().map(|route| Route::Json(fill(route))).collect())
        }
        None => {
            if section.has("preset") {
                return None; // told already: it is none of those there are
            }
            if !section.has("topic") {
                section.mistake("topic", "is missing; or name a `preset`");
            }
            need_values(section, !section.has("value"));
            let route = JsonRoute {
                topic: topic?,
                device: None,
                values: Vec::new(),
                time: TimeRule::Receipt,
                when: Vec::new(),
                numbering: None,
                repeats: Repeats::Stale,
            };
            Some(vec![Route::Json(fill(route))])
        }
    }
}

fn read_numbering(section: &Section<'_>) -> Option<Numbering> {
    let seq = section.parsed("sequence");
    let boot = section.text("boot").map(|text| match text {
        "never" => Some(None),
        _ => section.parsed("boot").map(Some),
    });
    match (section.has("sequence"), boot) {
        (true, None) => {
            section.mistake(
                "boot",
                "is missing beside `sequence`: where stands what changes at each new start? `never`, if the number does not begin anew",
            );
            None
        }
        (true, Some(boot)) => Some(Numbering { seq: seq?, boot: boot? }),
        (false, Some(_)) => {
            section.mistake("sequence", "is missing beside `boot`");
            None
        }
        (false, None) => None,
    }
}

fn read_value(section: &Section<'_>, sparkplug: bool) -> Option<ValueRule> {
    let quantities: Vec<(&str, Quantity)> = Quantity::ALL.map(|it| (it.name(), it)).to_vec();
    if !section.has("quantity") {
        section.mistake("quantity", "is missing");
    }
    let quantity = section.choice("quantity", &quantities);
    let (at, metric) = if sparkplug {
        (Some(Path::default()), section.need_text("metric"))
    } else {
        let at = if section.has("at") { section.parsed("at") } else { Some(Path::default()) };
        (at, Some(""))
    };
    let unit = section.text("unit");
    let scale = match (unit, quantity) {
        (Some(word), Some(quantity)) => {
            let scale = scale_of(word, quantity);
            if scale.is_none() {
                let symbol = quantity.unit().symbol();
                section.mistake(
                    "unit",
                    format!("`{word}` is no unit of {}; `{symbol}` is one", quantity.name()),
                );
            }
            scale
        }
        _ => None,
    };
    let unitless = quantity.is_some_and(|quantity| quantity.unit() == Unit::One);
    if unit.is_none() && !sparkplug && quantity.is_some() && !unitless {
        section.mistake("unit", "is missing");
    }
    let scale = scale.or_else(|| {
        quantity.filter(|_| unitless && unit.is_none()).and_then(|it| scale_of("1", it))
    });
    let factor_e6 = section.decimal("factor", 1_000_000).unwrap_or(1_000_000);
    if factor_e6 == 0 || 1_000_000_000_000 < factor_e6.unsigned_abs() {
        section.mistake("factor", "must not be 0, and at most 1000000");
    }
    let meter = section.parsed("meter");
    let (quantity, at, metric) = (quantity?, at?, metric?.to_owned());
    Some(ValueRule { quantity, at, metric, scale, factor_e6, meter })
}

impl Mapping {
    /// Returns whether it can feed more than one meter.
    pub(super) fn tells_apart(&self) -> bool {
        let told = |route: &Route| match route {
            Route::Json(json) => json.topic.names_device() || json.device.is_some(),
            Route::Sparkplug(_) => true,
        };
        self.routes.iter().all(told) || self.values().any(|value| value.meter.is_some())
    }

    /// Returns a meter that a value names and that has another mapping, or is none.
    pub(super) fn unknown_meter(&self) -> Option<Name> {
        let known = |id: &Name| self.meters.iter().any(|it| it.id == *id);
        self.values().filter_map(|value| value.meter).find(|id| !known(id))
    }

    fn values(&self) -> impl Iterator<Item = &ValueRule> {
        self.routes.iter().flat_map(|route| match route {
            Route::Json(json) => &json.values,
            Route::Sparkplug(sparkplug) => &sparkplug.values,
        })
    }

    /// Returns how messages call a meter whose section says `device`: in Sparkplug, with
    /// the edge node before it.
    pub(super) fn full_device(&self, device: &str) -> String {
        match self.routes.as_slice() {
            [Route::Sparkplug(SparkplugRoute { edge: Some(edge), .. })]
                if !device.contains('/') && device != edge =>
            {
                format!("{edge}/{device}")
            }
            _ => device.to_owned(),
        }
    }
}
