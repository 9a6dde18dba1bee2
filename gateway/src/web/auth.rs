//! Who asks, and whether they may.
//!
//! A session is 32 random bytes in a cookie that no script can read; the journal holds only
//! their hash, so a stolen backup opens nothing. Handlers name the right they need as an
//! argument: [`Reader`], [`Marker`] or [`Editor`]; one that names none is open to all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use analysis::site::Role;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::WebState;
use super::error::ApiError;

const COOKIE: &str = "gengfu_session";

/// How long a session lives after the page was last opened, s: 30 days.
pub(crate) const SESSION_S: i64 = 30 * 86_400;

/// A session's secret.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

// By hand, so that no log line can ever show it.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Token {
    /// Returns a secret that nobody has had before.
    pub(crate) fn random() -> Result<Self, ApiError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| ApiError::Internal(error.into()))?;
        Ok(Self(bytes))
    }

    /// Returns what the journal knows it by.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter();
        let pairs = cookies.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
        let text = pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE).then_some(value))?;
        Some(Self(HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()?))
    }

    /// Returns the header that makes a browser forget its session.
    pub(crate) fn clear_cookie(https: bool) -> HeaderValue {
        Self([0; 32]).set_cookie(0, https)
    }

    /// Returns the header that makes a browser keep it for so many seconds.
    pub(crate) fn set_cookie(&self, seconds: i64, https: bool) -> HeaderValue {
        let value = HEXLOWER.encode(&self.0);
        let secure = if https { "; Secure" } else { "" };
        let text = format!(
            "{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        );
        // Hexadecimal digits and our own text: always a header.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A person who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) token: Token,
}

/// Whoever asks: somebody who is logged in, or nobody we know.
#[derive(Clone, Debug)]
pub(crate) struct Anyone(pub(crate) Option<Person>);

/// Somebody who may read: anyone who is logged in, or anyone at all where the site says so.
#[derive(Clone, Debug)]
pub(crate) struct Reader;

/// Somebody who may say something about a finding.
#[derive(Clone, Debug)]
pub(crate) struct Marker(pub(crate) Person);

/// Somebody who may change the site book and send reports.
#[derive(Clone, Debug)]
pub(crate) struct Editor(pub(crate) Person);

impl FromRequestParts<WebState> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, ApiError> {
        let Some(token) = Token::from_headers(&parts.headers) else {
            return Ok(Self(None));
        };
        let token_hash = token.hash();
        let now = web.clock.now();
        let found = web
            .journal(move |journal| journal.view(|view| view.session_user(&token_hash, now)))
            .await?;
        // A role that this version does not know is a right that nobody has.
        let person = found.and_then(|row| {
            let role = Role::from_code(&row.user.role)?;
            Some(Person { name: row.user.name, role, token })
        });
        Ok(Self(person))
    }
}

impl FromRequestParts<WebState> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, ApiError> {
        let Anyone(person) = Anyone::from_request_parts(parts, web).await?;
        if person.is_none() && !web.options.open_reading {
            return Err(ApiError::LoginNeeded);
        }
        Ok(Self)
    }
}

impl FromRequestParts<WebState> for Marker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, ApiError> {
        let person = with_role(parts, web, &[Role::Caretaker, Role::Engineer]).await?;
        Ok(Self(person))
    }
}

impl FromRequestParts<WebState> for Editor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, ApiError> {
        Ok(Self(with_role(parts, web, &[Role::Engineer]).await?))
    }
}

async fn with_role(parts: &mut Parts, web: &WebState, roles: &[Role]) -> Result<Person, ApiError> {
    let Anyone(person) = Anyone::from_request_parts(parts, web).await?;
    let person = person.ok_or(ApiError::LoginNeeded)?;
    if roles.contains(&person.role) { Ok(person) } else { Err(ApiError::Forbidden) }
}

/// The address that a request came from; a proxy's, where there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(connection.map_or(Ipv4Addr::UNSPECIFIED.into(), |connection| connection.0.ip())))
    }
}

/// Refuses a write that lacks `X-Gengfu: 1`.
///
/// A form on a foreign page can make a browser send a request, with its cookies where old
/// browsers do not know `SameSite`; it cannot make it send this header.
pub(crate) async fn refuse_foreign_pages(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let ours = request.headers().get("x-gengfu").is_some_and(|value| value == "1");
    if reads || ours { next.run(request).await } else { ApiError::ForeignPage.into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(text).unwrap())])
    }

    #[test]
    fn a_cookie_leads_back_to_its_session() {
        let token = Token::random().unwrap();
        let header = token.set_cookie(60, true);
        let text = header.to_str().unwrap();
        let (pair, rest) = text.split_once(';').unwrap();

        let back = Token::from_headers(&cookie(&format!("theme=dark; {pair}; x=y"))).unwrap();

        assert_eq!(back.hash(), token.hash());
        assert_eq!(rest, " Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
    }

    #[test]
    fn what_is_no_token_of_ours_is_nobody() {
        let short = format!("{COOKIE}=00ff");
        let foreign = format!("{COOKIE}={}", "é".repeat(32));
        let signed = format!("{COOKIE}={}", "+1".repeat(32));

        assert!(Token::from_headers(&HeaderMap::new()).is_none());
        assert!(Token::from_headers(&cookie(&short)).is_none());
        assert!(Token::from_headers(&cookie(&foreign)).is_none());
        assert!(Token::from_headers(&cookie(&signed)).is_none());
    }
}
