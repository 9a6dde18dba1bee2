//! What people asked nodes to do, each once, and what came of it.
//!
//! Bytes are those of `wire::message`: what was sent and what was answered, as it went over
//! the cable. Nothing is ever removed or reworded; an answer that comes late is kept, too.

use rusqlite::{Row, params};
use wire::Name;
use wire::message::{Command, Task};

use super::findings::name;
use super::{JournalTx, JournalView, NewAudit};
use crate::store::error::StoreError;

/// A command to be written down. Its bytes need its number, so that is drawn first, by
/// [`JournalTx::next_command`] in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommand {
    /// Its number: what the answer refers to. Above that of every command before it.
    pub id: u32,
    /// Whom it is for.
    pub node: Name,
    /// What is to be done, as `wire::message::Task::code` says it.
    pub kind: String,
    /// A `wire::message::Command`, encoded.
    pub command: Vec<u8>,
    /// Who asked.
    pub author: String,
    /// When, Unix seconds.
    pub asked: i64,
    /// Until when it may be done, Unix seconds.
    pub until: i64,
}

/// A stored command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRow {
    /// What was asked.
    pub new: NewCommand,
    /// When it was first handed to a door, Unix seconds.
    pub sent: Option<i64>,
    /// To which run of the node.
    pub boot: Option<u32>,
    /// What the node says came of it, as `wire::message::Outcome::code` says it.
    pub outcome: Option<String>,
    /// A `wire::message::CommandResult`, encoded.
    pub answer: Option<Vec<u8>>,
    /// When the answer came, Unix seconds.
    pub answered: Option<i64>,
    /// Since when nothing more is done about it, Unix seconds. Without an outcome: its time
    /// is over and nobody answered.
    pub closed: Option<i64>,
}

const COMMANDS: &str = "SELECT id, node, kind, command, author, asked, until, sent, boot, outcome,
    answer, answered, closed FROM command";

impl JournalView<'_> {
    /// Returns a command.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn command(&self, id: u32) -> Result<Option<CommandRow>, StoreError> {
        let sql = format!("{COMMANDS} WHERE id = ?1");
        self.row("read a command", &sql, params![id], command)
    }

    /// Returns the newest commands of a node, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn commands(&self, node: &Name, limit: u32) -> Result<Vec<CommandRow>, StoreError> {
        let sql = format!("{COMMANDS} WHERE node = ?1 ORDER BY id DESC LIMIT ?2");
        self.rows("list commands", &sql, params![node.as_str(), limit], command)
    }

    /// Returns the commands that something is still to be done about, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn open_commands(&self) -> Result<Vec<CommandRow>, StoreError> {
        let sql = format!("{COMMANDS} WHERE closed IS NULL ORDER BY id");
        self.rows("list open commands", &sql, (), command)
    }
}

impl JournalTx<'_> {
    /// Writes down what a person asks of a node now, with its line in the audit log; returns
    /// its number. Until `until` (Unix seconds, as `now`) it is to be sent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause, also when there are no numbers left.
    pub fn give_command(
        &mut self,
        node: Name,
        task: Task,
        author: &str,
        now: i64,
        until: i64,
    ) -> Result<u32, StoreError> {
        let id = self.next_command(now)?;
        let mut bytes = [0; Command::BYTES_MAX];
        // There is room for the longest.
        let len = Command { id, until, task }.encode(&mut bytes).unwrap_or_default();
        self.add_command(&NewCommand {
            id,
            node,
            kind: task.code().to_owned(),
            command: bytes.get(..len).unwrap_or_default().to_vec(),
            author: author.to_owned(),
            asked: now,
            until,
        })?;
        let details = match task {
            Task::Switch { circuit, on } => serde_json::json!({
                "command": id, "kind": task.code(), "circuit": circuit.as_str(), "on": on,
            }),
            Task::Act(_) | Task::Scan(_) | Task::Trace(_) => {
                serde_json::json!({ "command": id, "kind": task.code() })
            }
        };
        self.append_audit(&NewAudit {
            at: now,
            author: author.to_owned(),
            action: "command_node".to_owned(),
            subject: format!("node/{node}"),
            details: details.to_string(),
        })?;
        Ok(id)
    }

    /// Returns the number of the next command: the time `now`, or one above the last.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause, also when there are no numbers left.
    pub fn next_command(&self, now: i64) -> Result<u32, StoreError> {
        const DURING: &str = "number a command";
        let last: Option<i64> =
            self.row(DURING, "SELECT max(id) FROM command", (), |row| row.get(0))?.flatten();
        let next = last.map_or(now, |last| now.max(last + 1)).max(1);
        u32::try_from(next).map_err(|_| StoreError::corrupt(DURING, format!("{next} is too large")))
    }

    /// Writes a command down; from then on it is to be sent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause, also if its number is taken.
    pub fn add_command(&mut self, new: &NewCommand) -> Result<(), StoreError> {
        self.execute(
            "write a command",
            "INSERT INTO command (id, node, kind, command, author, asked, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                new.id,
                new.node.as_str(),
                new.kind,
                new.command,
                new.author,
                new.asked,
                new.until
            ],
        )?;
        Ok(())
    }

    /// Notes that a command goes out to a run of its node; only the first time counts.
    /// Returns whether this was it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn command_sent(&mut self, id: u32, boot: u32, at: i64) -> Result<bool, StoreError> {
        let changed = self.execute(
            "note that a command was sent",
            "UPDATE command SET sent = ?2, boot = ?3
             WHERE id = ?1 AND sent IS NULL AND closed IS NULL",
            params![id, at, boot],
        )?;
        Ok(0 < changed)
    }

    /// Notes what a node says came of a command, and closes it. What it said first stands;
    /// only that it did so before (`provisional`) says nothing of how, so that closes nothing
    /// and gives way to any other answer. Returns whether anything is new.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn command_answered(
        &mut self,
        id: u32,
        node: &Name,
        answer: (&str, Option<&[u8]>),
        provisional: bool,
        at: i64,
    ) -> Result<bool, StoreError> {
        let (outcome, bytes) = answer;
        let changed = self.execute(
            "note the answer to a command",
            "UPDATE command SET outcome = ?3, answer = ?4, answered = ?5,
                 closed = CASE WHEN ?6 THEN closed ELSE coalesce(closed, ?5) END
             WHERE id = ?1 AND node = ?2 AND sent IS NOT NULL
                 AND (outcome IS NULL OR (outcome = 'repeated' AND NOT ?6))",
            params![id, node.as_str(), outcome, bytes, at, provisional],
        )?;
        Ok(0 < changed)
    }

    /// Closes a command whose time is over. Returns whether it was open.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn close_command(&mut self, id: u32, at: i64) -> Result<bool, StoreError> {
        let changed = self.execute(
            "close a command",
            "UPDATE command SET closed = ?2 WHERE id = ?1 AND closed IS NULL",
            params![id, at],
        )?;
        Ok(0 < changed)
    }
}

fn command(row: &Row<'_>) -> rusqlite::Result<CommandRow> {
    Ok(CommandRow {
        new: NewCommand {
            id: row.get(0)?,
            node: name(row, 1)?,
            kind: row.get(2)?,
            command: row.get(3)?,
            author: row.get(4)?,
            asked: row.get(5)?,
            until: row.get(6)?,
        },
        sent: row.get(7)?,
        boot: row.get(8)?,
        outcome: row.get(9)?,
        answer: row.get(10)?,
        answered: row.get(11)?,
        closed: row.get(12)?,
    })
}
