//! Meter models that a site book describes itself.
//!
//! Those that come with the program are [`wire::models`]; a site's own stand beside them, so
//! that what is worked out of a meter rests on the same description as what is read.

use wire::Protocol;
use wire::modbus::Entry;

/// A meter model that the site book itself describes, as far as working out needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnModel {
    /// The word for it.
    pub id: String,
    /// Its values, each with the first that it cannot show, in thousandths of the unit before
    /// any ratio, if that is not what its type says.
    pub values: Vec<(Entry, Option<i64>)>,
}

impl OwnModel {
    /// Returns what its meters speak.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.values.first().map_or(Protocol::Modbus, |(entry, _)| Protocol::of(entry.table))
    }
}
