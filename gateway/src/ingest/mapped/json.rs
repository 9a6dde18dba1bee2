//! What stands where in a JSON message.
//!
//! In: a message that nobody vouches for, and paths. Out: the text of what stands there,
//! as it was written; numbers are not turned into floats.
//!
//! Nothing is built but what a path asks for, so a message costs no more memory than it
//! has bytes; what is not asked for is skipped without recursion, however deep it nests.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::site_book::path::{Path, Step};

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A number, as it was written.
    Number(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// `true` or `false`.
    Truth(bool),
    /// `null`.
    Null,
    /// An object or a list.
    Nested,
}

impl Found<'_> {
    /// Returns the text, or the number as it was written.
    #[must_use]
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Number(text) => Some(text),
            Self::Text(text) => Some(text),
            Self::Truth(true) => Some("true"),
            Self::Truth(false) => Some("false"),
            Self::Null | Self::Nested => None,
        }
    }
}

/// A message that is JSON from its first byte to its last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a>(&'a RawValue);

impl<'a> Message<'a> {
    /// Reads a message; `None` if it is not JSON.
    #[must_use]
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Returns what stands at a path, if anything does. Of a key that stands twice, the
    /// last one counts.
    #[must_use]
    pub(super) fn at(self, path: &Path) -> Option<Found<'a>> {
        let mut here = self.0;
        for step in &path.steps {
            let mut json = serde_json::Deserializer::from_str(here.get());
            here = Next(step).deserialize(&mut json).ok()??;
        }
        let text = here.get();
        Some(match text.bytes().next()? {
            b'"' => Found::Text(serde_json::from_str::<Text<'a>>(text).ok()?.0),
            b'{' | b'[' => Found::Nested,
            b't' => Found::Truth(true),
            b'f' => Found::Truth(false),
            b'n' => Found::Null,
            _ => Found::Number(text),
        })
    }
}

/// A text that borrows where nothing in it was escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// One step further in.
struct Next<'s>(&'s Step);

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Next<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(key)) = map.next_key()? {
            match self.0 {
                Step::Key(wanted) if *wanted == key => found = Some(map.next_value()?),
                Step::Key(_) | Step::Where { .. } => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found: Option<&RawValue> = None;
        match self.0 {
            Step::Key(place) => {
                let place = place.parse::<usize>().ok();
                let mut at = 0;
                while Some(at) != place {
                    if list.next_element::<IgnoredAny>()?.is_none() {
                        return Ok(None);
                    }
                    at += 1;
                }
                found = list.next_element()?;
            }
            Step::Where { key, equals } => {
                let path = Path { steps: vec![Step::Key(key.clone())] };
                while let Some(item) = list.next_element::<&RawValue>()? {
                    let here = Message(item).at(&path);
                    if here.is_some_and(|here| here.word() == Some(equals)) {
                        found = Some(item);
                        break;
                    }
                }
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(json: &str, path: &str) -> Option<String> {
        let found = Message::parse(json)?.at(&path.parse().unwrap())?;
        Some(found.word().map_or_else(|| format!("{found:?}"), str::to_owned))
    }

    #[test]
    fn a_path_leads_through_objects_lists_and_what_is_named_in_them() {
        let json = r#"{"a":{"b.c":[10,{"d":"\u4e2d"}],"":0},"l":[{"k":"x","v":1},{"v":2.50,"k":"y"},{"k":7,"v":3}]}"#;

        assert_eq!(check(json, "/a/b.c/0").as_deref(), Some("10"));
        assert_eq!(check(json, "/a/b.c/1/d").as_deref(), Some("中"));
        assert_eq!(check(json, "/a/").as_deref(), Some("0"));
        assert_eq!(check(json, "l[k=y].v").as_deref(), Some("2.50"));
        assert_eq!(check(json, "l[k=7].v").as_deref(), Some("3"));
        assert_eq!(check(json, "l[0].k").as_deref(), Some("x"));
        assert_eq!(check(json, "l").as_deref(), Some("Nested"));
        assert_eq!(check(json, "l[9].k"), None);
        assert_eq!(check(json, "a.x.y"), None);
        assert_eq!(check(json, "l[k=z].v"), None);
    }

    #[test]
    fn a_number_is_the_very_text_that_was_sent() {
        assert_eq!(
            check("{\"v\": 0.10000000000000000001 }", "v").unwrap(),
            "0.10000000000000000001"
        );
        assert_eq!(check("[-0.0]", "/0").unwrap(), "-0.0");
        assert_eq!(check("{\"v\":1,\"v\":2}", "v").unwrap(), "2");
    }

    #[test]
    fn what_is_not_json_is_not_read() {
        for text in
            ["", "{", "{\"v\":NaN}", "{\"v\":01}", "{\"v\":1}x", "{\"v\":Infinity}", "{'v':1}"]
        {
            assert!(Message::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_nesting_bomb_is_skipped_without_deep_recursion() {
        let depth = 60_000;
        let bomb = format!("{{\"x\":{}{},\"v\":5}}", "[".repeat(depth), "]".repeat(depth));

        // Read or refused, never a stack that overflows.
        let found = check(&bomb, "v");

        assert!(found.is_none_or(|found| found == "5"));
        assert!(Message::parse(&"[".repeat(60_000)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_and_any_path_are_read_or_refused(
            json in r#"[\[\]{}",:0-9a-z .\\-]{0,60}"#,
            path in r"[a-z0-9./\[\]=]{0,20}",
        ) {
            if let (Some(message), Ok(path)) = (Message::parse(&json), path.parse::<Path>()) {
                let found = message.at(&path);
                // Nothing is made up: what is found stood in the message.
                prop_assert!(found.is_none_or(|it| it.word().is_none_or(|it| it.len() <= json.len())));
            }
        }
    }
}
