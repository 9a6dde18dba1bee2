//! Why a request is not answered, and how we say so.
//!
//! The client gets a status, a word for programs and a sentence for people; the log gets the
//! whole chain of causes. Nothing about our inside reaches a client.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::problem::{Mistake, Problem};
use crate::store::StoreError;

/// Language of a sentence for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// 简体中文; what everybody gets who does not ask for English.
    Zh,
    /// English.
    En,
}

impl Language {
    /// Returns the language that a client asks for.
    ///
    /// Of `zh` and `en`, the one that stands first in `Accept-Language`; browsers sort
    /// that list, so the weights need not be read.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        for tag in wanted.unwrap_or_default().split(',') {
            let tag = tag.trim().to_ascii_lowercase();
            if tag.starts_with("zh") {
                return Self::Zh;
            }
            if tag.starts_with("en") {
                return Self::En;
            }
        }
        Self::Zh
    }
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
            Self::SetupDone => StatusCode::CONFLICT,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::SiteBookMistakes(_) => StatusCode::UNPROCESSABLE_ENTITY,
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
            Self::Busy => "busy",
            Self::DiskFull => "disk_full",
            Self::Internal(_) => "internal",
        }
    }

    fn message(&self, language: Language) -> String {
        let (zh, en) = match self {
            Self::Malformed { key } => {
                return match language {
                    Language::Zh => format!("“{key}”的内容无法识别。"),
                    Language::En => format!("“{key}” cannot be understood."),
                };
            }
            Self::TooManyAttempts { retry_s } => {
                return match language {
                    Language::Zh => format!("尝试次数过多，请在 {retry_s} 秒后再试。"),
                    Language::En => format!("Too many attempts. Try again in {retry_s} s."),
                };
            }
            Self::LoginNeeded => ("请先登录。", "Please log in first."),
            Self::WrongPassword => ("用户名或密码不对。", "Wrong name or password."),
            Self::Forbidden => ("您的角色不能进行此操作。", "Your role does not permit this."),
            Self::ForeignPage => {
                ("请求不是由本系统的页面发出的。", "This request did not come from our own page.")
            }
            Self::NotFound { .. } => ("没有找到。", "Nothing was found here."),
            Self::SetupDone => {
                ("首个用户已经设置，请登录。", "The first user exists already. Please log in.")
            }
            Self::PasswordTooShort => {
                ("密码至少需要 10 个字符。", "A password needs at least 10 characters.")
            }
            Self::NoSiteBook => {
                ("还没有台账，请先导入。", "There is no site book yet. Import one first.")
            }
            Self::SiteBookMistakes(_) => (
                "台账有错误，未保存。请逐条修改。",
                "The site book has mistakes and was not saved. Correct each of them.",
            ),
            Self::Busy => {
                ("打开的页面过多，请稍后再试。", "Too many pages are open. Try again later.")
            }
            Self::DiskFull => (
                "磁盘已满，未保存。请清理磁盘后再试。",
                "The disk is full and nothing was saved. Make room, then try again.",
            ),
            Self::Internal(_) => {
                ("系统内部出错，已记入日志。", "Something went wrong here. It has been logged.")
            }
        };
        match language {
            Language::Zh => zh.to_owned(),
            Language::En => en.to_owned(),
        }
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
    let language = Language::of(request.headers());
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
