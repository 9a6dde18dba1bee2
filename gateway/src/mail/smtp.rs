//! One mail to one server, and what it means if that fails.
//!
//! lettre speaks SMTP; we walk it through the conversation step by step, because what an
//! answer means depends on the step: 550 to a recipient is this mail's trouble, 550 to the
//! sender's address is our settings'.
//!
//! In: a [`MailConfig`], a mail with its recipients.
//! Out: nothing, or a [`SendError`] whose variant says what to do next.
//!
//! Afterwards: a conversation never lasts longer than the time-out. lettre's own covers
//! only the connecting (lettre#1027): a server that accepts and never greets would hold
//! the queue for ever.

use std::error::Error as _;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::{self, response::Code};

use crate::config::{MailConfig, MailSecurity};

/// How long a whole conversation with a mail server may last.
pub const TIMEOUT: Duration = Duration::from_secs(60);

// A server that has taken the mail is bid farewell, but not waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// A mail server, and how we present ourselves to it.
#[derive(Clone, Debug)]
pub struct Server {
    host: String,
    port: u16,
    security: MailSecurity,
    credentials: Option<Credentials>,
    from: Mailbox,
    timeout: Duration,
}

/// Why a mail did not go out; the variant says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Try again later: the server is away, busy or slow.
    #[error("mail server `{server}` cannot take the mail now: {reason}")]
    Later {
        /// Host and port.
        server: String,
        /// What the server or the network said.
        reason: String,
    },
    /// This mail will never be taken; others may.
    #[error("mail server `{server}` refused the mail: {reason}")]
    Refused {
        /// Host and port.
        server: String,
        /// What the server said.
        reason: String,
    },
    /// No mail will be taken until someone corrects the settings.
    #[error("mail server `{server}` does not accept our settings: {reason}")]
    Held {
        /// Which setting.
        hold: Hold,
        /// Host and port.
        server: String,
        /// What the server or the TLS library said.
        reason: String,
    },
}

/// Which setting a mail server does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// User name or password, or none given where one is needed.
    LogIn,
    /// The protection of the connection: no TLS there, or a certificate nobody vouches for.
    Tls,
    /// The address we write from.
    Sender,
}

impl Hold {
    /// Returns the word that stands for it in notices and counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::Tls => "tls",
            Self::Sender => "sender",
        }
    }
}

impl SendError {
    /// Returns the word that stands for the class in notices and counters.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Later { .. } => "later",
            Self::Refused { .. } => "refused",
            Self::Held { hold, .. } => hold.word(),
        }
    }
}

/// The sender's address in the settings is none.
#[derive(Debug, thiserror::Error)]
#[error("`{from}` is not an address to send mail from")]
pub struct SenderError {
    from: String,
    #[source]
    source: lettre::address::AddressError,
}

/// The step of a conversation that an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    LogIn,
    Sender,
    Recipient,
    Content,
}

impl Server {
    /// Returns the server that a configuration describes. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`SenderError`] if `from` is no address; `config` checks that already.
    pub fn new(config: &MailConfig, timeout: Duration) -> Result<Self, SenderError> {
        let from = config.from.parse();
        let credentials = config
            .login
            .as_ref()
            .map(|login| Credentials::new(login.user.clone(), login.password.reveal().to_owned()));
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            security: config.security,
            credentials,
            from: from.map_err(|source| SenderError { from: config.from.clone(), source })?,
            timeout,
        })
    }

    /// Returns the address we write from.
    #[must_use]
    pub const fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Gives a mail to the server; when this returns `Ok`, the server has taken it.
    ///
    /// # Errors
    ///
    /// [`SendError`], see its variants. An answer that was lost after the server took the
    /// mail is [`SendError::Later`]: the mail goes out again under the same Message-ID.
    pub async fn deliver(&self, to: &[Address], mail: &[u8]) -> Result<(), SendError> {
        let talk = Box::pin(self.converse(to, mail));
        let Ok(outcome) = tokio::time::timeout(self.timeout, talk).await else {
            let seconds = self.timeout.as_secs();
            return Err(self.later(format!("no answer within {seconds} s")));
        };
        let (mut connection, outcome) = outcome?;
        // Whatever it answers to QUIT changes nothing.
        tokio::time::timeout(FAREWELL.min(self.timeout), connection.quit()).await.ok();
        outcome
    }

    /// Speaks until the server has the mail or says no. The outer error is one after
    /// which the connection is of no use any more.
    async fn converse(
        &self,
        to: &[Address],
        mail: &[u8],
    ) -> Result<(AsyncSmtpConnection, Result<(), SendError>), SendError> {
        let mut connection = self.connect().await?;
        let outcome = self.hand_over(&mut connection, to, mail).await;
        Ok((connection, outcome))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let hello = ClientId::default();
        let tls = || {
            TlsParameters::new(self.host.clone())
                .map_err(|error| self.held(Hold::Tls, error.to_string()))
        };
        let from_the_start = match self.security {
            MailSecurity::Tls => Some(tls()?),
            MailSecurity::StartTls | MailSecurity::None => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (self.host.as_str(), self.port),
            Some(self.timeout),
            &hello,
            from_the_start,
            None,
        )
        .await
        .map_err(|error| self.judge(Step::Connect, &error))?;
        if self.security == MailSecurity::StartTls {
            if !connection.can_starttls() {
                return Err(self.held(Hold::Tls, "it does not offer STARTTLS".to_owned()));
            }
            let upgraded = connection.starttls(tls()?, &hello).await;
            upgraded.map_err(|error| self.judge(Step::StartTls, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let ways = [Mechanism::Plain, Mechanism::Login];
            let welcome = connection.auth(&ways, credentials).await;
            welcome.map_err(|error| self.judge(Step::LogIn, &error))?;
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: &[Address],
        mail: &[u8],
    ) -> Result<(), SendError> {
        let foreign = to.iter().chain([&self.from.email]).any(|one| !is_latin(one));
        let mut parameters = Vec::new();
        if foreign {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let reason = "it takes no addresses in other than Latin letters".to_owned();
                return Err(SendError::Refused { server: self.name(), reason });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let sender = Mail::new(Some(self.from.email.clone()), parameters);
        let answer = connection.command(sender).await;
        answer.map_err(|error| self.judge(Step::Sender, &error))?;
        for address in to {
            let answer = connection.command(Rcpt::new(address.clone(), Vec::new())).await;
            answer.map_err(|error| self.judge(Step::Recipient, &error))?;
        }
        let answer = connection.command(Data).await;
        answer.map_err(|error| self.judge(Step::Content, &error))?;
        let answer = connection.message(mail).await;
        answer.map_err(|error| self.judge(Step::Content, &error))?;
        Ok(())
    }

    /// Says what an answer means at a step.
    fn judge(&self, step: Step, error: &smtp::Error) -> SendError {
        let reason = said(error);
        if error.is_permanent() {
            return match step {
                Step::LogIn => self.held(Hold::LogIn, reason),
                Step::StartTls => self.held(Hold::Tls, reason),
                _ if asks_for_log_in(error.status()) => self.held(Hold::LogIn, reason),
                // Providers want the address of the account: "553 Mail from must equal
                // authorized user", "501 mail from address must be same as authorization user".
                Step::Sender => self.held(Hold::Sender, reason),
                // It refuses to serve us at all, which is no mail's fault.
                Step::Connect => self.later(reason),
                Step::Recipient | Step::Content => {
                    SendError::Refused { server: self.name(), reason }
                }
            };
        }
        match step {
            // "No compatible authentication mechanism was found": it offers none of ours.
            Step::LogIn if error.is_client() => self.held(Hold::LogIn, reason),
            Step::Connect | Step::StartTls if error.is_tls() || is_about_tls(error) => {
                self.held(Hold::Tls, reason)
            }
            Step::Connect
            | Step::StartTls
            | Step::LogIn
            | Step::Sender
            | Step::Recipient
            | Step::Content => self.later(reason),
        }
    }

    fn later(&self, reason: String) -> SendError {
        SendError::Later { server: self.name(), reason }
    }

    fn held(&self, hold: Hold, reason: String) -> SendError {
        SendError::Held { hold, server: self.name(), reason }
    }

    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn is_latin(address: &Address) -> bool {
    address.user().is_ascii() && address.domain().is_ascii()
}

/// Returns what the server said, its code first, or else what went wrong.
fn said(error: &smtp::Error) -> String {
    match (error.status(), error.source()) {
        (Some(code), Some(words)) => format!("{code} {words}"),
        _ => error.to_string(),
    }
}

/// Whether a code says "log in first" or "wrong password" (RFC 4954, section 6).
fn asks_for_log_in(code: Option<Code>) -> bool {
    code.is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// Whether TLS itself failed, not the network under it. lettre files an untrusted
/// certificate under "connection" and leaves every flag false; rustls wraps its errors as
/// invalid data, and nothing else does at these steps.
fn is_about_tls(error: &smtp::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::InvalidData;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
