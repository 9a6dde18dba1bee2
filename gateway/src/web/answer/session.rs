//! Who is at the page.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person types to log in, or to make the first user.
#[derive(Deserialize, ToSchema)]
pub struct Credentials {
    /// The user's name.
    pub name: String,
    /// The password; at least 10 characters where it is set.
    #[schema(format = Password)]
    pub password: String,
}

// By hand, so that no log line can ever show a password.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).field("password", &"***").finish()
    }
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Marks findings.
    Caretaker,
    /// Edits the site book, sends reports, and marks findings.
    Engineer,
    /// Reads.
    Leader,
    /// Reads.
    Auditor,
}

/// The person who is logged in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct User {
    /// The name they log in with.
    pub name: String,
    /// What they may do.
    pub role: Role,
}
