//! What several sites used.

use serde::Serialize;
use utoipa::ToSchema;

use super::month::{DayMonth, MediumMonth};
use super::place::Text;

/// What all sites used in a month that write to the same InfluxDB as this one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Portfolio {
    /// `YYYY-MM`.
    pub month: String,
    /// Whether the sites could be read.
    pub state: PortfolioState,
    /// Why they could not be read; null if they could.
    #[schema(required)]
    pub reason: Option<String>,
    /// One row per site, by identifier; empty unless they could be read.
    pub sites: Vec<SiteMonth>,
}

/// Whether several sites can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortfolioState {
    /// They were read.
    Ready,
    /// This gateway knows its own site only: it is not configured to read others.
    Off,
    /// The InfluxDB is away or does not answer; `reason` says why.
    Failing,
}

/// What one site used in the month, as its own gateway says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SiteMonth {
    /// Identifier of the site.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// ISO 4217 code of its currency.
    pub currency: String,
    /// One row per day and medium that its gateway has told of.
    pub days: Vec<DayMonth>,
    /// One row per medium: the sum of these days.
    pub totals: Vec<MediumMonth>,
}
