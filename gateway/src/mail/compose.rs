//! From a row of the outbox to the bytes that a mail server takes.
//!
//! Afterwards:
//! - the same row makes the same Message-ID and the same date whenever it is composed, so
//!   that a mail which goes out twice (its answer was lost) is one mail to its reader;
//! - all mails of one finding refer to one thread;
//! - no automatic answer comes back (`Auto-Submitted`, RFC 3834).

use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};

use crate::store::journal::MailRow;

/// A mail ready for the wire.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) to: Vec<Address>,
    pub(super) bytes: Vec<u8>,
}

/// A mail cannot be written as one; trying again would not help.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    /// A recipient's address is none.
    #[error("`{address}` is not a mail address")]
    Address {
        address: String,
        #[source]
        source: lettre::address::AddressError,
    },
    /// An attachment's type is none.
    #[error("attachment `{name}` has no media type")]
    MediaType { name: String },
    /// The parts do not make a mail.
    #[error("the mail's parts do not fit together")]
    Parts(#[from] lettre::error::Error),
}

/// Returns a mail as bytes, from this sender.
pub(super) fn compose(row: &MailRow, from: &Mailbox) -> Result<Composed, ComposeError> {
    let mail = &row.mail;
    let domain = from.email.domain();
    // Seconds before 1970 cannot come from a clock of ours.
    let created = Duration::from_secs(u64::try_from(mail.created).unwrap_or(0));
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(&mail.subject)
        .date(SystemTime::UNIX_EPOCH + created)
        .message_id(Some(format!("<mail-{}.{}@{domain}>", row.id, mail.created)))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let Some(finding) = mail.finding {
        let thread = format!("<finding-{finding}@{domain}>");
        builder = builder.references(thread.clone()).in_reply_to(thread);
    }
    let mut to = Vec::new();
    for address in &mail.to {
        let mailbox: Mailbox = address
            .parse()
            .map_err(|source| ComposeError::Address { address: address.clone(), source })?;
        to.push(mailbox.email.clone());
        builder = builder.to(mailbox);
    }
    let text = SinglePart::plain(mail.text.clone());
    let body = match &mail.html {
        Some(html) => {
            MultiPart::alternative().singlepart(text).singlepart(SinglePart::html(html.clone()))
        }
        None => MultiPart::alternative().singlepart(text),
    };
    let message = if mail.attachments.is_empty() {
        builder.multipart(body)?
    } else {
        let mut mixed = MultiPart::mixed().multipart(body);
        for file in &mail.attachments {
            let media_type = ContentType::parse(&file.media_type)
                .map_err(|_| ComposeError::MediaType { name: file.name.clone() })?;
            let part = Attachment::new(file.name.clone()).body(file.content.clone(), media_type);
            mixed = mixed.singlepart(part);
        }
        builder.multipart(mixed)?
    };
    Ok(Composed { to, bytes: message.formatted() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::journal::{Attachment as File, NewMail};

    fn row() -> MailRow {
        MailRow {
            id: 7,
            mail: NewMail {
                dedupe: "report/2026-10/wang".to_owned(),
                to: vec!["王师傅 <wang@school.example>".to_owned()],
                subject: "实验中学 2026年10月用能月报".to_owned(),
                text: "见附件。\n".to_owned(),
                html: Some("<p>见附件。</p>".to_owned()),
                attachments: vec![File {
                    name: "energy-report-2026-10.xlsx".to_owned(),
                    media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
                        .to_owned(),
                    content: vec![0, 1, 2, 255],
                }],
                finding: Some(12),
                created: 1_795_518_600,
            },
            tries: 0,
            next_at: None,
            last_error: None,
            sent: None,
        }
    }

    fn compose_text(row: &MailRow) -> String {
        let from = "更夫 <watch@school.example>".parse().unwrap();
        String::from_utf8(compose(row, &from).unwrap().bytes).unwrap()
    }

    #[test]
    fn a_mail_composed_again_keeps_its_name_its_date_and_its_thread() {
        let mut again = row();
        again.tries = 3;

        let (first, second) = (compose_text(&row()), compose_text(&again));

        for header in [
            "Message-ID: <mail-7.1795518600@school.example>",
            "References: <finding-12@school.example>",
            "In-Reply-To: <finding-12@school.example>",
            "Auto-Submitted: auto-generated",
            "Date: Tue, 24 Nov 2026 11:10:00 +0000",
        ] {
            assert!(first.contains(header), "{header} in {first}");
            assert!(second.contains(header), "{header} in {second}");
        }
    }

    #[test]
    fn a_mail_is_ascii_on_the_wire_and_its_text_stands_before_its_html() {
        let mail = compose_text(&row());

        assert!(mail.is_ascii());
        let at = |what: &str| mail.find(what).unwrap();
        assert!(at("text/plain") < at("text/html"));
        assert!(at("text/html") < at("filename=\"energy-report-2026-10.xlsx\""));
    }
}
