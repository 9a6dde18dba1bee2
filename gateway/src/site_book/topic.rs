//! Which MQTT topics a mapping is about, and what they say about the meter.

use std::fmt;
use std::str::FromStr;

/// Which topics a mapping is about: an MQTT filter whose levels may name the meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern {
    levels: Vec<Level>,
    and_below: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Text(String),
    Any,
    Named { before: String, part: Part, after: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Device,
    Channel,
}

/// What a topic says about the meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// What stands at `{device}`.
    pub device: Option<&'a str>,
    /// What stands at `{channel}`.
    pub channel: Option<&'a str>,
}

/// Why a text is no [`TopicPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    /// Longer than MQTT allows, or empty.
    Length,
    /// `#` stands before the end, or a wildcard is only a part of its level.
    Wildcard,
    /// It could be one of our own nodes' topics, or all topics there are.
    TooWide,
    /// A brace that is neither `{device}` nor `{channel}`, or one of them twice.
    Brace,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a topic has 1 to 1024 bytes",
            Self::Wildcard => "`+` stands alone in its level, `#` alone in the last one",
            Self::TooWide => "the first level must be a text, and not `gengfu`",
            Self::Brace => "`{device}` and `{channel}` may stand in it, each once",
        })
    }
}

impl FromStr for TopicPattern {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        if text.is_empty() || 1_024 < text.len() {
            return Err(TopicError::Length);
        }
        let mut levels: Vec<Level> =
            text.split('/').map(Level::read).collect::<Result<_, TopicError>>()?;
        let and_below = matches!(levels.last(), Some(Level::Text(text)) if text == "#");
        if and_below {
            levels.pop();
        }
        if levels.iter().any(|level| matches!(level, Level::Text(text) if text == "#")) {
            return Err(TopicError::Wildcard);
        }
        let part = |wanted| {
            let is = |level: &&Level| matches!(level, Level::Named { part, .. } if *part == wanted);
            levels.iter().filter(is).count()
        };
        if 1 < part(Part::Device) || 1 < part(Part::Channel) {
            return Err(TopicError::Brace);
        }
        let wide = match levels.first() {
            None | Some(Level::Any) => true,
            Some(Level::Text(text)) => text == "gengfu" || text.starts_with('$'),
            // Our own topics are taken before any mapping is asked.
            Some(Level::Named { .. }) => levels.len() < 2,
        };
        if wide { Err(TopicError::TooWide) } else { Ok(Self { levels, and_below }) }
    }
}

impl Level {
    fn read(text: &str) -> Result<Self, TopicError> {
        if text == "+" {
            return Ok(Self::Any);
        }
        if text != "#" && text.contains(['+', '#']) {
            return Err(TopicError::Wildcard);
        }
        let split = |word, part| text.split_once(word).map(|(before, after)| (before, part, after));
        let named = split("{device}", Part::Device).or_else(|| split("{channel}", Part::Channel));
        let level = match named {
            Some((before, part, after)) => {
                Self::Named { before: before.to_owned(), part, after: after.to_owned() }
            }
            None => Self::Text(text.to_owned()),
        };
        let outside = match &level {
            Self::Named { before, after, .. } => format!("{before}{after}"),
            Self::Text(text) => text.clone(),
            Self::Any => String::new(),
        };
        if outside.contains(['{', '}']) { Err(TopicError::Brace) } else { Ok(level) }
    }
}

impl TopicPattern {
    /// Returns what a topic says about the meter; `None` if it is none of these.
    #[must_use]
    pub fn matches<'a>(&self, topic: &'a str) -> Option<Named<'a>> {
        let mut named = Named::default();
        let mut found = topic.split('/');
        for level in &self.levels {
            let text = found.next()?;
            match level {
                Level::Text(wanted) if wanted == text => {}
                Level::Any => {}
                Level::Text(_) => return None,
                Level::Named { before, part, after } => {
                    let inside =
                        text.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    match part {
                        Part::Device => named.device = Some(inside),
                        Part::Channel => named.channel = Some(inside),
                    }
                }
            }
        }
        (self.and_below || found.next().is_none()).then_some(named)
    }

    /// Returns the filter to subscribe to.
    #[must_use]
    pub fn filter(&self) -> String {
        let mut levels: Vec<&str> = self
            .levels
            .iter()
            .map(|level| match level {
                Level::Text(text) => text.as_str(),
                Level::Any | Level::Named { .. } => "+",
            })
            .collect();
        if self.and_below {
            levels.push("#");
        }
        levels.join("/")
    }

    /// Returns whether it says where the device's name stands.
    #[must_use]
    pub fn names_device(&self) -> bool {
        self.levels.iter().any(|it| matches!(it, Level::Named { part: Part::Device, .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, topic: &str) -> Option<(String, String)> {
        let pattern: TopicPattern = pattern.parse().unwrap();
        let named = pattern.matches(topic)?;
        let text = |part: Option<&str>| part.unwrap_or("-").to_owned();
        Some((text(named.device), text(named.channel)))
    }

    #[test]
    fn a_level_or_a_part_of_one_names_the_meter() {
        let named = |device: &str, channel: &str| Some((device.to_owned(), channel.to_owned()));

        assert_eq!(check("tele/{device}/SENSOR", "tele/a/SENSOR"), named("a", "-"));
        assert_eq!(check("{device}/status/em1:{channel}", "x/status/em1:2"), named("x", "2"));
        assert_eq!(check("dtu/{device}-post", "dtu/S32-post"), named("S32", "-"));
        assert_eq!(check("a/+/#", "a/b/c/d"), named("-", "-"));
        assert_eq!(check("a/#", "a"), named("-", "-"));
        assert_eq!(check("tele/{device}/SENSOR", "tele/a/b/SENSOR"), None);
        assert_eq!(check("dtu/{device}-post", "dtu/S32"), None);
    }

    #[test]
    fn what_is_subscribed_to_is_a_filter_of_mqtt() {
        let filter = |text: &str| text.parse::<TopicPattern>().unwrap().filter();

        assert_eq!(filter("{device}/status/em1:{channel}"), "+/status/+");
        assert_eq!(filter("a/+/#"), "a/+/#");
    }

    #[test]
    fn a_topic_that_reaches_too_far_is_refused() {
        let refused = |text: &str| text.parse::<TopicPattern>().unwrap_err();

        for text in ["#", "+/state", "gengfu/v1/a/b/readings", "$SYS/#", "{device}"] {
            assert_eq!(refused(text), TopicError::TooWide, "{text}");
        }
        for text in ["a/#/b", "a/b+", "a/#b"] {
            assert_eq!(refused(text), TopicError::Wildcard, "{text}");
        }
        for text in ["a/{meter}", "a/{device}/{device}", "a/{device"] {
            assert_eq!(refused(text), TopicError::Brace, "{text}");
        }
        assert_eq!(refused(""), TopicError::Length);
    }
}
