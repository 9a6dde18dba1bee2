//! Names of places and meters, in both languages.

use serde::Serialize;
use utoipa::ToSchema;

/// A name as people say it, in both languages of the pages.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// A building, an area or a meter: its identifier and what people call it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Place {
    /// The identifier in the site book; never translated.
    pub id: String,
    /// What people call it.
    pub name: Text,
}
