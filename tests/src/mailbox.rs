//! A real mail server: aiosmtpd, which keeps what it takes as a maildir.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::world::{Process, World, free_port, repository, wait_for};

/// A running mail server.
pub struct Mailbox {
    _process: Process,
    folder: std::path::PathBuf,
    /// Its TCP port on the loopback address.
    pub port: u16,
}

/// A mail as it arrived.
#[derive(Debug)]
pub struct Mail {
    /// Its subject, decoded.
    pub subject: String,
    /// Its plain text, decoded.
    pub text: String,
    /// Names of its attachments.
    pub attachments: Vec<String>,
}

/// Prints every mail of a maildir as one JSON array; Python's parser is not ours, so a
/// mail that it reads is a mail.
const READER: &str = r#"
import email, email.policy, json, mailbox, sys
mails = []
for message in mailbox.Maildir(sys.argv[1], factory=None):
    message = email.message_from_bytes(bytes(message), policy=email.policy.default)
    body = message.get_body(("plain",))
    mails.append({
        "subject": str(message["subject"]),
        "text": body.get_content() if body else "",
        "attachments": [part.get_filename() or "" for part in message.iter_attachments()],
    })
print(json.dumps(mails))
"#;

fn python() -> std::path::PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(std::path::PathBuf::from);
    let tools = target.unwrap_or_else(|| repository().join("target")).join("tools/bin/python3");
    if tools.exists() { tools } else { repository().join("target/tools/bin/python3") }
}

impl Mailbox {
    /// Starts the server on a free port.
    pub fn start(world: &World) -> Result<Self> {
        let port = free_port()?;
        let folder = world.folder().join("mail");
        let mut command = Command::new(python());
        command.args(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox"]);
        command.arg(&folder).args(["-l", &format!("127.0.0.1:{port}")]);
        let process = world.start("mail", command)?;
        wait_for("the mail server", || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok()))?;
        Ok(Self { _process: process, folder, port })
    }

    /// Returns all mails that have arrived.
    pub fn mails(&self) -> Result<Vec<Mail>> {
        let output = Command::new(python()).arg("-c").arg(READER).arg(&self.folder).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mails: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mails = mails.as_array().context("an array of mails")?;
        Ok(mails
            .iter()
            .map(|mail| Mail {
                subject: text(&mail["subject"]),
                text: text(&mail["text"]),
                attachments: mail["attachments"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect(),
            })
            .collect())
    }

    /// Waits for a mail whose subject contains a text.
    pub fn wait(&self, subject: &str) -> Result<Mail> {
        wait_for(&format!("a mail with `{subject}` in its subject"), || {
            if !fs::exists(self.folder.join("new"))? {
                return Ok(None);
            }
            Ok(self.mails()?.into_iter().find(|mail| mail.subject.contains(subject)))
        })
    }
}
