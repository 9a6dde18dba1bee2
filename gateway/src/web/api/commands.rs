//! Commands to nodes: given by people who may, and what came of them.
//!
//! A command is written down here, with its line in the audit log; the courier carries it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use wire::Name;
use wire::message::{Action, Command, Outcome, Task};

use crate::live::Happening;
use crate::store::StoreError;
use crate::store::journal::{self, JournalTx, NewAudit, NewCommand};
use crate::web::answer::command::{
    CommandKind, CommandRequest, CommandRow, CommandState, CommandTask, NodeCommands,
};
use crate::web::answer::problem::Problem;
use crate::web::auth::{Marker, Person, Reader};
use crate::web::error::ApiError;
use crate::web::input::Body;
use crate::web::{Rooms, WebState, time};
use analysis::site::Role;

/// Commands of one node in an answer.
const LIST_MAX: u32 = 50;

/// Commands of one node that may be open at a time: they are carried out one by one, and
/// nobody waits for more than these within a minute.
const OPEN_MAX: usize = 8;

/// How long a command may take where nobody says, s.
const WITHIN_S: u32 = 60;
/// Shorter than this a slow bus makes no answer, s.
const WITHIN_S_MIN: u32 = 10;
/// Whoever asked has turned away after this, s.
const WITHIN_S_MAX: u32 = 600;

/// Returns the newest commands of a node.
#[utoipa::path(
    get,
    path = "/api/v1/nodes/{id}/commands",
    tag = "nodes",
    params(("id" = String, Path, description = "Identifier of the node")),
    responses(
        (status = 200, body = NodeCommands),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_commands(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<NodeCommands>, ApiError> {
    let node = node_named(&web, &id)?;
    let zone = web.zone();
    let rows =
        web.journal(move |journal| journal.view(|view| view.commands(&node, LIST_MAX))).await?;
    let commands = rows.iter().map(|row| answer(row, &zone)).collect();
    Ok(Json(NodeCommands { node: node.to_string(), commands }))
}

/// Gives a node a command. The same one again, while the first is open, is the first: a phone
/// with bad reception asks until it hears of it.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/commands",
    tag = "nodes",
    params(("id" = String, Path, description = "Identifier of the node")),
    request_body = CommandRequest,
    responses(
        (status = 202, description = "Written down; it leaves when the node is there",
            body = CommandRow),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn give_command(
    Marker(person): Marker,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Body(request): Body<CommandRequest>,
) -> Result<(StatusCode, Json<CommandRow>), ApiError> {
    let node = node_named(&web, &id)?;
    let task = allowed(&person, &request.task)?;
    let within_s = request.within_s.unwrap_or(WITHIN_S);
    if !(WITHIN_S_MIN..=WITHIN_S_MAX).contains(&within_s) {
        return Err(ApiError::Malformed { key: "within_s" });
    }
    let zone = web.zone();
    let row = web
        .ask(move |rooms| {
            // In a demo time passes faster than a command travels.
            let within_s = i64::from(within_s).saturating_mul(rooms.clock.speed().into());
            let row = give(rooms, node, task, within_s, &person)?;
            rooms.bell.notify_one();
            rooms.live.tell(Happening::Command { id: row.new.id, node });
            Ok(answer(&row, &zone))
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(row)))
}

fn node_named(web: &WebState, id: &str) -> Result<Name, ApiError> {
    let book = web.ledger.book().ok_or(ApiError::NoSiteBook)?;
    let node = book.book.nodes.iter().find(|node| node.id.as_str() == id);
    node.map(|node| node.id).ok_or(ApiError::NotFound { what: "node" })
}

/// Returns what is asked for if this person may ask for it.
fn allowed(person: &Person, task: &CommandTask) -> Result<Task, ApiError> {
    let (task, may) = match task {
        CommandTask::Identify => (Task::Act(Action::Identify), Role::Engineer),
        CommandTask::Reboot => (Task::Act(Action::Reboot), Role::Engineer),
    };
    if person.role == Role::Engineer || person.role == may {
        Ok(task)
    } else {
        Err(ApiError::Forbidden)
    }
}

/// Writes a command down, and who gave it.
fn give(
    rooms: &Rooms,
    node: Name,
    task: Task,
    within_s: i64,
    person: &Person,
) -> Result<journal::CommandRow, ApiError> {
    let now = rooms.clock.now();
    let given = rooms.store.journal().commit(|tx| {
        let open = tx.open_commands()?;
        let open: Vec<_> = open.into_iter().filter(|row| row.new.node == node).collect();
        if let Some(same) = open.iter().find(|row| task_of(row) == Some(task)) {
            return Ok(Some(same.clone()));
        }
        if OPEN_MAX <= open.len() {
            return Ok(None);
        }
        let id = tx.next_command(now)?;
        let command = Command { id, until: now.saturating_add(within_s), task };
        let mut bytes = [0; Command::BYTES_MAX];
        // There is room for the longest.
        let len = command.encode(&mut bytes).unwrap_or_default();
        let new = NewCommand {
            id,
            node,
            kind: task.code().to_owned(),
            command: bytes.get(..len).unwrap_or_default().to_vec(),
            author: person.name.clone(),
            asked: now,
            until: command.until,
        };
        tx.add_command(&new)?;
        audit(tx, &new, &task)?;
        tx.command(id)
    })?;
    given.ok_or(ApiError::NodeBusy)
}

fn audit(tx: &mut JournalTx<'_>, new: &NewCommand, task: &Task) -> Result<(), StoreError> {
    let mut details = serde_json::json!({ "command": new.id, "kind": new.kind });
    if let (Task::Switch { circuit, on }, Some(details)) = (task, details.as_object_mut()) {
        details.insert("circuit".to_owned(), circuit.as_str().into());
        details.insert("on".to_owned(), (*on).into());
    }
    tx.append_audit(&NewAudit {
        at: new.asked,
        author: new.author.clone(),
        action: "command_node".to_owned(),
        subject: format!("node/{}", new.node),
        details: details.to_string(),
    })?;
    Ok(())
}

fn task_of(row: &journal::CommandRow) -> Option<Task> {
    Command::decode(&row.new.command).ok().map(|command| command.task)
}

/// Returns a stored command as it is answered.
fn answer(row: &journal::CommandRow, zone: &TimeZone) -> CommandRow {
    let at = |instant: i64| time::written(instant, zone);
    CommandRow {
        id: row.new.id,
        node: row.new.node.to_string(),
        kind: match task_of(row) {
            Some(Task::Act(Action::Identify)) => CommandKind::Identify,
            Some(Task::Act(Action::Reboot)) => CommandKind::Reboot,
            Some(Task::Switch { .. } | Task::Scan(_) | Task::Trace(_)) | None => CommandKind::Other,
        },
        state: state(row),
        by: row.new.author.clone(),
        asked_at: at(row.new.asked),
        until: at(row.new.until),
        sent_at: row.sent.map(at),
        answered_at: row.answered.map(at),
    }
}

fn state(row: &journal::CommandRow) -> CommandState {
    let outcome = row.outcome.as_deref().and_then(Outcome::from_code);
    match (outcome, row.sent, row.closed) {
        (Some(Outcome::Done), _, _) => CommandState::Done,
        (Some(Outcome::Failed), _, _) => CommandState::Failed,
        (Some(Outcome::Refused), _, _) => CommandState::Refused,
        (Some(Outcome::Expired), _, _) => CommandState::Expired,
        // It may still say more until the deadline.
        (Some(Outcome::Repeated), _, Some(_)) => CommandState::Repeated,
        (Some(Outcome::Repeated), _, None) | (None, Some(_), None) => CommandState::Sent,
        (None, None, None) => CommandState::Waiting,
        (None, Some(_), Some(_)) => CommandState::Unanswered,
        (None, None, Some(_)) => CommandState::Undelivered,
    }
}
