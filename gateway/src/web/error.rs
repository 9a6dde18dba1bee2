//! Why a request is not answered, and how we say so.
//!
//! The client gets a status, a word for programs and a sentence for people; the log gets the
//! whole chain of causes. Nothing about our inside reaches a client.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::problem::{Mistake, Problem};
use super::password::PASSWORD_LEN_MIN;
use crate::ledger::EventFault;
use crate::store::StoreError;
use crate::words::{self, Language};

/// Returns the language that a client asks for; Chinese for who does not say.
///
/// Of `zh` and `en`, the one that stands first in `Accept-Language`; browsers sort that
/// list, so the weights need not be read.
pub(crate) fn language_of(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    for tag in wanted.unwrap_or_default().split(',') {
        let tag = tag.trim().to_ascii_lowercase();
        if tag.starts_with("zh") {
            return Language::Zh;
        }
        if tag.starts_with("en") {
            return Language::En;
        }
    }
    Language::Zh
}

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// What was sent makes no sense; the key says where.
    #[error("`{key}` cannot be used")]
    Malformed { key: &'static str },
    /// Nobody is logged in, and this needs somebody.
    #[error("no session")]
    LoginNeeded,
    /// Name and password do not belong together.
    #[error("wrong name or password")]
    WrongPassword,
    /// Whoever is logged in may not do this.
    #[error("role does not permit this")]
    Forbidden,
    /// The header that a foreign page cannot send is missing.
    #[error("header `X-Gengfu` missing")]
    ForeignPage,
    /// There is nothing under this name.
    #[error("no such {what}")]
    NotFound { what: &'static str },
    /// The first user exists already.
    #[error("first user exists")]
    SetupDone,
    /// The password is too short to be one.
    #[error("password too short")]
    PasswordTooShort,
    /// Too many attempts to log in.
    #[error("too many attempts")]
    TooManyAttempts { retry_s: u64 },
    /// There is no site book yet, so there is nothing to show.
    #[error("no site book")]
    NoSiteBook,
    /// The site book has mistakes.
    #[error("site book has mistakes")]
    SiteBookMistakes(Vec<Mistake>),
    /// An event of a meter cannot be.
    #[error("event of a meter cannot be")]
    Event(#[source] EventFault),
    /// A node has as many commands before it as it may have.
    #[error("node has too many open commands")]
    NodeBusy,
    /// Too many pages listen.
    #[error("too many live streams")]
    Busy,
    /// The store has no room.
    #[error("store has no room")]
    DiskFull,
    /// A fault of ours; the client hears that there was one, the log hears which.
    #[error("cannot answer")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed { .. } | Self::PasswordTooShort => StatusCode::BAD_REQUEST,
            Self::LoginNeeded | Self::WrongPassword => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::ForeignPage => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::SetupDone | Self::NodeBusy => StatusCode::CONFLICT,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::SiteBookMistakes(_) | Self::Event(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoSiteBook | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::LoginNeeded => "login_needed",
            Self::WrongPassword => "wrong_password",
            Self::Forbidden => "forbidden",
            Self::ForeignPage => "foreign_page",
            Self::NotFound { .. } => "not_found",
            Self::SetupDone => "setup_done",
            Self::PasswordTooShort => "password_too_short",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::NoSiteBook => "site_book_missing",
            Self::SiteBookMistakes(_) => "site_book_mistakes",
            Self::Event(fault) => fault.code(),
            Self::NodeBusy => "node_busy",
            Self::Busy => "busy",
            Self::DiskFull => "disk_full",
            Self::Internal(_) => "internal",
        }
    }

    /// Returns the sentence for a person, from the catalogue's `error.` words.
    fn message(&self, language: Language) -> String {
        let (name, value) = match self {
            Self::Malformed { key } => ("key", (*key).to_owned()),
            Self::TooManyAttempts { retry_s } => ("retry_s", retry_s.to_string()),
            Self::PasswordTooShort => ("length", PASSWORD_LEN_MIN.to_string()),
            Self::LoginNeeded
            | Self::WrongPassword
            | Self::Forbidden
            | Self::ForeignPage
            | Self::NotFound { .. }
            | Self::SetupDone
            | Self::NoSiteBook
            | Self::SiteBookMistakes(_)
            | Self::Event(_)
            | Self::NodeBusy
            | Self::Busy
            | Self::DiskFull
            | Self::Internal(_) => ("", String::new()),
        };
        words::text(language, &format!("error.{}", self.code()), &[(name, value.as_str())])
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() { Self::DiskFull } else { Self::Internal(error.into()) }
    }
}

/// Written here, worded by [`word_errors`], which knows the client's language.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

/// Gives every refusal its words, in the language of the client, and logs what is ours.
pub(crate) async fn word_errors(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let language = language_of(request.headers());
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<std::sync::Arc<ApiError>>() else {
        return response;
    };
    if let ApiError::Internal(source) = &*error {
        crate::events::request_failed(&path, source.as_ref());
    }
    let status = error.status();
    let mistakes = if let ApiError::SiteBookMistakes(mistakes) = &*error {
        mistakes.clone()
    } else {
        Vec::new()
    };
    let problem = Problem {
        status: status.as_u16(),
        code: error.code().to_owned(),
        message: error.message(language),
        mistakes,
    };
    let mut worded = (status, Json(problem)).into_response();
    if let ApiError::TooManyAttempts { retry_s } = &*error {
        worded.headers_mut().insert(header::RETRY_AFTER, (*retry_s).into());
    }
    worded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_words_in_both_languages() {
        let all = [
            ApiError::Malformed { key: "until" },
            ApiError::LoginNeeded,
            ApiError::WrongPassword,
            ApiError::Forbidden,
            ApiError::ForeignPage,
            ApiError::NotFound { what: "meter" },
            ApiError::SetupDone,
            ApiError::PasswordTooShort,
            ApiError::TooManyAttempts { retry_s: 30 },
            ApiError::NoSiteBook,
            ApiError::SiteBookMistakes(Vec::new()),
            ApiError::NodeBusy,
            ApiError::Busy,
            ApiError::DiskFull,
            ApiError::Internal("a fault".into()),
        ];

        for error in all.into_iter().chain(EventFault::ALL.map(ApiError::Event)) {
            for language in [Language::Zh, Language::En] {
                let message = error.message(language);
                assert!(!message.contains("error.") && !message.contains('{'), "{message}");
            }
        }
    }
}
