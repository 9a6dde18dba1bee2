//! Commands to nodes: given by people who may, and what came of them.
//!
//! A command is written down here, with its line in the audit log; the courier carries it.

use analysis::site::Role;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use wire::Name;
use wire::message::{Action, Command, CommandResult, Outcome, Task};

use crate::live::Happening;
use crate::site_book::SiteBook;
use crate::site_book::switch::Switch;
use crate::store::journal;
use crate::web::answer::command::{
    CommandKind, CommandRequest, CommandRow, CommandState, CommandTask, NodeCommands, SwitchRow,
    Switches,
};
use crate::web::answer::problem::Problem;
use crate::web::auth::{Anyone, Marker, Person, Reader};
use crate::web::error::ApiError;
use crate::web::input::Body;
use crate::web::{Rooms, WebState, fill, time};

/// Commands of one node in an answer.
const LIST_MAX: u32 = 50;

/// Commands of one node among which the newest to a circuit is looked for: a node has four
/// circuits at most, and few other commands.
const LOOKED_AT: u32 = 200;

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
    let book = web.ledger.book().ok_or(ApiError::NoSiteBook)?;
    let task = allowed(&book.book, &node, &person, &request.task)?;
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

/// Returns the circuits that may be switched, and the newest command to each.
#[utoipa::path(
    get,
    path = "/api/v1/switches",
    tag = "nodes",
    responses(
        (status = 200, body = Switches),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_switches(
    _: Reader,
    Anyone(person): Anyone,
    State(web): State<WebState>,
) -> Result<Json<Switches>, ApiError> {
    let book = web.ledger.book().ok_or(ApiError::NoSiteBook)?;
    let site = &book.book.site;
    let mut switches = Vec::new();
    for switch in &book.book.switches {
        let (id, node) = (switch.id, switch.node);
        let rows = web
            .journal(move |journal| journal.view(|view| view.commands(&node, LOOKED_AT)))
            .await?;
        let is_to = |row: &&journal::CommandRow| matches!(task_of(row), Some(Task::Switch { circuit, .. }) if circuit == id);
        switches.push(SwitchRow {
            id: id.to_string(),
            name: (&switch.name).into(),
            node: node.to_string(),
            meters: switch.meters.iter().map(|meter| fill::meter(site, meter)).collect(),
            areas: switch.areas.iter().map(|area| fill::area(site, area)).collect(),
            may: person.as_ref().is_some_and(|person| may_switch(person, switch)),
            last: rows.iter().find(is_to).map(|row| answer(row, &site.zone)),
        });
    }
    Ok(Json(Switches { switches }))
}

fn node_named(web: &WebState, id: &str) -> Result<Name, ApiError> {
    let book = web.ledger.book().ok_or(ApiError::NoSiteBook)?;
    let node = book.book.nodes.iter().find(|node| node.id.as_str() == id);
    node.map(|node| node.id).ok_or(ApiError::NotFound { what: "node" })
}

/// Returns what is asked for if this person may ask for it.
fn allowed(
    book: &SiteBook,
    node: &Name,
    person: &Person,
    task: &CommandTask,
) -> Result<Task, ApiError> {
    let (task, may) = match task {
        CommandTask::Identify => (Task::Act(Action::Identify), person.role == Role::Engineer),
        CommandTask::Reboot => (Task::Act(Action::Reboot), person.role == Role::Engineer),
        CommandTask::Switch(asked) => {
            let marked = |it: &&Switch| it.id.as_str() == asked.circuit && it.node == *node;
            let switch = book.switches.iter().find(marked);
            let switch = switch.ok_or(ApiError::NotFound { what: "switch" })?;
            let task = Task::Switch { circuit: switch.id, on: asked.on };
            (task, may_switch(person, switch))
        }
    };
    if may { Ok(task) } else { Err(ApiError::Forbidden) }
}

/// Engineers know what hangs on a circuit; a caretaker switches what the site book trusts
/// caretakers with. Nobody else stands before the consequences.
fn may_switch(person: &Person, switch: &Switch) -> bool {
    person.role == Role::Engineer || person.role == switch.who
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
        let until = now.saturating_add(within_s);
        let id = tx.give_command(node, task, &person.name, now, until)?;
        tx.command(id)
    })?;
    given.ok_or(ApiError::NodeBusy)
}

fn task_of(row: &journal::CommandRow) -> Option<Task> {
    Command::decode(&row.new.command).ok().map(|command| command.task)
}

/// Returns a stored command as it is answered.
fn answer(row: &journal::CommandRow, zone: &TimeZone) -> CommandRow {
    let at = |instant: i64| time::written(instant, zone);
    let task = task_of(row);
    let (kind, circuit, on) = match task {
        Some(Task::Act(Action::Identify)) => (CommandKind::Identify, None, None),
        Some(Task::Act(Action::Reboot)) => (CommandKind::Reboot, None, None),
        Some(Task::Switch { circuit, on }) => (CommandKind::Switch, Some(circuit), Some(on)),
        Some(Task::Scan(_) | Task::Trace(_)) | None => (CommandKind::Other, None, None),
    };
    let result = row.answer.as_deref().and_then(|bytes| CommandResult::decode(bytes).ok());
    let read_back = result.as_ref().and_then(|result| result.data.first()).map(|coil| *coil != 0);
    CommandRow {
        id: row.new.id,
        node: row.new.node.to_string(),
        kind,
        circuit: circuit.map(|circuit| circuit.to_string()),
        on,
        read_back: read_back.filter(|_| on.is_some()),
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
