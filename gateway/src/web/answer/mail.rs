//! Mails that were written, whether or not they have left.

use serde::Serialize;
use utoipa::ToSchema;

/// Mails, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Mails {
    /// At most as many as were asked for.
    pub mails: Vec<MailRow>,
}

/// One mail.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MailRow {
    /// Number of the mail.
    pub id: i64,
    /// To whom.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML, if there is such a form.
    #[schema(required)]
    pub html: Option<String>,
    /// When it was written.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When a mail server took it.
    #[schema(required, format = DateTime)]
    pub sent_at: Option<String>,
    /// Where it stands.
    pub state: MailState,
    /// Why the last attempt came to nothing.
    #[schema(required)]
    pub last_error: Option<String>,
}

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// It will be tried, or tried again.
    Waiting,
    /// A mail server took it.
    Sent,
    /// It was given up.
    Failed,
}
