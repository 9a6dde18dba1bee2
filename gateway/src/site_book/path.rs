//! Where in a JSON document something stands, as it is written in the site book.

use std::fmt;
use std::str::FromStr;

/// The most steps in a path: deeper than any device nests what it measures.
const STEPS_MAX: usize = 16;

/// A path into a JSON document.
///
/// Written as an RFC 6901 pointer (`/ENERGY/Power/0`) or with dots
/// (`ENERGY.Power[0]`, `properties[key=Ua].value`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// From the outside in.
    pub steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of an object, or a place in a list, counted from 0.
    Key(String),
    /// The first object of a list in which a key has this text.
    Where {
        /// The key.
        key: String,
        /// The text, or the number as it is written.
        equals: String,
    },
}

/// Why a text is no [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A bracket without its partner, or nothing between two dots.
    Malformed,
    /// More than 16 steps.
    TooDeep,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str(
                "a path looks like `ENERGY.Power`, `data[0].value`, `list[key=Ua].value` or `/ENERGY/Power`",
            ),
            Self::TooDeep => write!(f, "a path has at most {STEPS_MAX} steps"),
        }
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let steps = if let Some(pointer) = text.strip_prefix('/') {
            // RFC 6901, 4: ~1 first, so that ~01 is ~1 and not a slash.
            let step = |key: &str| Step::Key(key.replace("~1", "/").replace("~0", "~"));
            pointer.split('/').map(step).collect()
        } else if text.is_empty() || text == "." {
            Vec::new()
        } else {
            dotted(text).ok_or(PathError::Malformed)?
        };
        if STEPS_MAX < steps.len() { Err(PathError::TooDeep) } else { Ok(Self { steps }) }
    }
}

fn dotted(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    let mut may_be_bracket = true;
    loop {
        if let Some(inside) = rest.strip_prefix('[').filter(|_| may_be_bracket) {
            let (inside, after) = inside.split_once(']')?;
            steps.push(match inside.split_once('=') {
                Some((key, equals)) => {
                    Step::Where { key: key.trim().to_owned(), equals: equals.trim().to_owned() }
                }
                None => Step::Key(inside.parse::<usize>().ok()?.to_string()),
            });
            rest = after;
        } else {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            let (key, after) = rest.split_at_checked(end)?;
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
        may_be_bracket = true;
        match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                may_be_bracket = false;
            }
            None if rest.is_empty() => return Some(steps),
            None if rest.starts_with('[') => {}
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<String>, PathError> {
        let shown = |step: &Step| match step {
            Step::Key(key) => key.clone(),
            Step::Where { key, equals } => format!("{key}={equals}"),
        };
        text.parse::<Path>().map(|path| path.steps.iter().map(shown).collect())
    }

    #[test]
    fn both_ways_to_write_a_path_lead_to_the_same_place() {
        assert_eq!(check("ENERGY.Power[0]"), check("/ENERGY/Power/0"));
        assert_eq!(check("/a~1b/~01").unwrap(), ["a/b", "~1"]);
        assert_eq!(check("[2][key= Ua ].v").unwrap(), ["2", "key=Ua", "v"]);
        assert_eq!(check("").unwrap(), [""; 0]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        for text in ["a..b", ".a", "a.", "a[", "a[x]", "a]b", "a[0]b", "a.[0]"] {
            assert_eq!(check(text), Err(PathError::Malformed), "{text}");
        }
        assert_eq!(check(&"/a".repeat(17)), Err(PathError::TooDeep));
    }
}
