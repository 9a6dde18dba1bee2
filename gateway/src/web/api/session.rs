//! The first user, logging in, logging out.

use std::sync::Arc;

use analysis::site::Role;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::store::journal::{NewAudit, NewUser};
use crate::web::WebState;
use crate::web::answer::problem::Problem;
use crate::web::answer::session::Credentials;
use crate::web::auth::{Anyone, ClientAddress, SESSION_S, Token};
use crate::web::error::{ApiError, language_of};
use crate::web::input::Body;
use crate::web::password::{PasswordError, hash_password, is_password};
use crate::words;

/// Characters of the longest user name and password.
const TEXT_LEN_MAX: usize = 200;

type SetCookie = [(HeaderName, HeaderValue); 1];

/// Makes the first user, an engineer, and logs them in. Works once.
#[utoipa::path(
    post,
    path = "/api/v1/setup",
    tag = "session",
    request_body = Credentials,
    responses(
        (status = 201, description = "Made and logged in"),
        (status = "4XX", description = "Refused, and why: 400 password too short, 409 a user exists", body = Problem),
    )
)]
pub(crate) async fn set_up(
    State(web): State<WebState>,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<(StatusCode, SetCookie), ApiError> {
    let name = user_name(&credentials)?;
    // Looked at before a password is hashed, so that this door costs nothing once it is shut.
    if web.journal(|journal| journal.view(|view| view.has_users())).await? {
        return Err(ApiError::SetupDone);
    }
    let language = words::tag(language_of(&headers));
    let password_hash = hashed(&web, credentials.password).await?;
    let now = web.clock.now();
    let token = Token::random()?;
    let token_hash = token.hash();
    let made = web
        .journal(move |journal| {
            journal.commit(|tx| {
                let user = NewUser {
                    name: name.clone(),
                    role: Role::Engineer.code().to_owned(),
                    language: language.to_owned(),
                    email: None,
                    password_hash,
                    created: now,
                };
                let Some(id) = tx.add_first_user(&user)? else { return Ok(None) };
                tx.append_audit(&NewAudit {
                    at: now,
                    author: name.clone(),
                    action: "add_first_user".to_owned(),
                    subject: format!("user/{name}"),
                    details: "{}".to_owned(),
                })?;
                tx.open_session(&token_hash, id, now, now + SESSION_S)?;
                Ok(Some(id))
            })
        })
        .await?;
    made.ok_or(ApiError::SetupDone)?;
    Ok((StatusCode::CREATED, set_cookie(&web, &token)))
}

/// Logs a person in.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    request_body = Credentials,
    responses(
        (status = 204, description = "Logged in"),
        (status = "4XX", description = "Refused, and why: 401 wrong name or password, 429 too many attempts", body = Problem),
    )
)]
pub(crate) async fn log_in(
    State(web): State<WebState>,
    ClientAddress(address): ClientAddress,
    Body(credentials): Body<Credentials>,
) -> Result<(StatusCode, SetCookie), ApiError> {
    let name = user_name(&credentials)?;
    let now = web.clock.now();
    web.0
        .attempts
        .begin(address, &name, now)
        .map_err(|retry_s| ApiError::TooManyAttempts { retry_s })?;
    let asked = name.clone();
    let found = web.journal(move |journal| journal.view(|view| view.user(&asked))).await?;
    // Who is locked out hears the same as who does not exist.
    let user = found.filter(|row| row.disabled.is_none());
    let stored = user.as_ref().map(|row| row.user.password_hash.clone());
    let is_right =
        on_hashing_thread(&web, move || Ok(is_password(&credentials.password, stored.as_deref())))
            .await?;
    let Some(user) = user.filter(|_| is_right) else {
        crate::events::login_failed();
        return Err(ApiError::WrongPassword);
    };
    web.0.attempts.succeeded(address, &name);
    let token = Token::random()?;
    let token_hash = token.hash();
    web.journal(move |journal| {
        journal.commit(|tx| tx.open_session(&token_hash, user.id, now, now + SESSION_S))
    })
    .await?;
    Ok((StatusCode::NO_CONTENT, set_cookie(&web, &token)))
}

/// Logs out; does nothing for who is not logged in.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    responses(
        (status = 204, description = "Logged out"),
        (status = "4XX", description = "Refused, and why", body = Problem),
    )
)]
pub(crate) async fn log_out(
    State(web): State<WebState>,
    Anyone(person): Anyone,
) -> Result<(StatusCode, SetCookie), ApiError> {
    if let Some(person) = person {
        web.journal(move |journal| journal.commit(|tx| tx.close_session(&person.token.hash())))
            .await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, Token::clear_cookie(web.options.https))]))
}

/// Returns the header with which a browser keeps a session from now on.
pub(super) fn set_cookie(web: &WebState, token: &Token) -> SetCookie {
    [(header::SET_COOKIE, token.set_cookie(SESSION_S, web.options.https))]
}

/// Returns the name without the spaces that phones like to add.
fn user_name(credentials: &Credentials) -> Result<String, ApiError> {
    let name = credentials.name.trim();
    if name.is_empty() || TEXT_LEN_MAX < name.chars().count() {
        return Err(ApiError::Malformed { key: "name" });
    }
    if TEXT_LEN_MAX < credentials.password.chars().count() {
        return Err(ApiError::Malformed { key: "password" });
    }
    Ok(name.to_owned())
}

async fn hashed(web: &WebState, password: String) -> Result<String, ApiError> {
    on_hashing_thread(web, move || match hash_password(&password) {
        Ok(hash) => Ok(hash),
        Err(PasswordError::TooShort) => Err(ApiError::PasswordTooShort),
        Err(error @ PasswordError::Unhashed(_)) => Err(ApiError::Internal(error.into())),
    })
    .await
}

/// Works on a password where it may block, a few at a time.
async fn on_hashing_thread<T: Send + 'static>(
    web: &WebState,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = Arc::clone(&web.0.hashes)
        .acquire_owned()
        .await
        .map_err(|error| ApiError::Internal(error.into()))?;
    web.ask(move |_| {
        let outcome = work();
        drop(turn);
        outcome
    })
    .await
}
