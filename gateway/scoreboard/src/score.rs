//! One promised figure of one task, as it came out.

/// What was promised of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// It is reached from here on.
    AtLeast(f64),
    /// It is reached up to here.
    AtMost(f64),
    /// It is reached from the first to the second.
    Between(f64, f64),
    /// Nothing was promised.
    None,
}

impl Goal {
    /// Returns whether a value is within the promise; `None` if there is none.
    #[must_use]
    pub fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(least <= value),
            Self::AtMost(most) => Some(value <= most),
            Self::Between(least, most) => Some(least <= value && value <= most),
            Self::None => None,
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// What programs know it by, as `recall_spike`.
    pub key: String,
    /// The figure.
    pub value: f64,
    /// 95 of 100 resamplings of the meters lie within; `None` where there is nothing to
    /// resample.
    pub within: Option<(f64, f64)>,
    /// As `1`, `h`, `%`.
    pub unit: &'static str,
    /// What was promised.
    pub goal: Goal,
}

impl Score {
    /// Returns a figure without promise and without interval.
    #[must_use]
    pub fn new(key: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { key: key.into(), value, within: None, unit, goal: Goal::None }
    }

    /// Says what was promised.
    #[must_use]
    pub fn with_goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    /// Says within what the resamplings lie.
    #[must_use]
    pub fn with_interval(self, within: Option<(f64, f64)>) -> Self {
        Self { within, ..self }
    }
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was run.
    Scored {
        /// The task.
        task: &'static str,
        /// Its figures, in the order in which they are told.
        scores: Vec<Score>,
    },
    /// Its files are not there.
    Skipped {
        /// The task.
        task: &'static str,
        /// Which file is missing.
        why: String,
    },
}
