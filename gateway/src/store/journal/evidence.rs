//! The evidence of a finding as the journal keeps it.
//!
//! A list of intervals, each `[start, amount, limit]`; where the figures rest on events of
//! meters, an object with that list and the numbers of those. So what was written before
//! there were events is read as ever.

use serde::Deserialize;

use crate::store::error::StoreError;

/// One interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct WrittenInterval {
    /// When it begins, Unix seconds.
    pub start: i64,
    /// What went through, or what the kind counts.
    pub amount: i64,
    /// What was allowed of that.
    pub limit: i64,
}

/// The evidence of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenEvidence {
    /// Its intervals in order of time.
    pub intervals: Vec<WrittenInterval>,
    /// The numbers of the meter events that its figures rest on.
    pub events: Vec<i64>,
}

impl WrittenEvidence {
    /// Reads what [`WrittenEvidence::text`] made.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it is not that.
    pub fn read(text: &str) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Intervals(Vec<WrittenInterval>),
            Resting { intervals: Vec<WrittenInterval>, events: Vec<i64> },
        }
        let read = serde_json::from_str(text);
        match read.map_err(|error| {
            StoreError::corrupt("read the evidence of a finding", error.to_string())
        })? {
            Form::Intervals(intervals) => Ok(Self { intervals, events: Vec::new() }),
            Form::Resting { intervals, events } => Ok(Self { intervals, events }),
        }
    }

    /// Returns it as the journal keeps it.
    #[must_use]
    pub fn text(&self) -> String {
        let intervals: Vec<[i64; 3]> =
            self.intervals.iter().map(|it| [it.start, it.amount, it.limit]).collect();
        if self.events.is_empty() {
            serde_json::json!(intervals).to_string()
        } else {
            serde_json::json!({ "intervals": intervals, "events": self.events }).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_read_as_it_was_written_with_events_and_without() {
        let intervals = vec![WrittenInterval { start: 900, amount: 7, limit: -2 }];
        let plain = WrittenEvidence { intervals: intervals.clone(), events: Vec::new() };
        let resting = WrittenEvidence { intervals, events: vec![3] };

        assert_eq!(plain.text(), "[[900,7,-2]]");
        assert_eq!(WrittenEvidence::read(&plain.text()).unwrap(), plain);
        assert_eq!(WrittenEvidence::read(&resting.text()).unwrap(), resting);
        assert!(WrittenEvidence::read("7").is_err());
    }
}
