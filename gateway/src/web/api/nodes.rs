//! Nodes, as they last told of themselves: which program each runs.

use axum::Json;
use axum::extract::State;
use wire::message::{self, UpdateAsk, UpdateFault, UpdateState, Version};

use crate::web::answer::node::{NodeRow, NodeUpdate, NodeUpdateReason, NodeUpdateState, Nodes};
use crate::web::answer::problem::Problem;
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::{WebState, time};

/// Returns the nodes of the site: whether each is there, and which program it runs.
#[utoipa::path(
    get,
    path = "/api/v1/nodes",
    tag = "nodes",
    responses(
        (status = 200, body = Nodes),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_nodes(
    _: Reader,
    State(web): State<WebState>,
) -> Result<Json<Nodes>, ApiError> {
    let book = web.ledger.book().ok_or(ApiError::NoSiteBook)?;
    let (zone, told) = (web.zone(), (web.nodes)());
    let nodes = book.book.nodes.iter().map(|node| {
        let told = told.iter().find(|told| told.node == node.id);
        let (state, update) = told.map_or((None, None), |told| (told.state, told.update));
        let version = match state {
            Some((message::State::Online { version, .. }, _)) => Some(version),
            Some((message::State::Gone, _)) | None => update.map(|(ask, _)| ask.version),
        };
        let told_at = state.map(|(_, at)| at).max(update.map(|(_, at)| at));
        NodeRow {
            id: node.id.to_string(),
            name: (&node.name).into(),
            here: state.map(|(state, _)| state != message::State::Gone),
            told_at: told_at.map(|at| time::written(at, &zone)),
            version: version
                .map(|Version { major, minor, patch }| format!("{major}.{minor}.{patch}")),
            update: update.map(|(ask, _)| answer(&ask)),
        }
    });
    Ok(Json(Nodes { nodes: nodes.collect() }))
}

fn answer(ask: &UpdateAsk) -> NodeUpdate {
    let (state, reason) = match ask.state {
        UpdateState::Idle => (NodeUpdateState::Idle, None),
        UpdateState::Loading => (NodeUpdateState::Loading, None),
        UpdateState::Restarting => (NodeUpdateState::Restarting, None),
        UpdateState::RolledBack => (NodeUpdateState::RolledBack, None),
        UpdateState::Refused(fault) => (NodeUpdateState::Refused, Some(fault.into())),
    };
    NodeUpdate { state, reason, loaded_bytes: ask.at }
}

impl From<UpdateFault> for NodeUpdateReason {
    fn from(fault: UpdateFault) -> Self {
        match fault {
            UpdateFault::Unreadable => Self::Unreadable,
            UpdateFault::Signature => Self::Signature,
            UpdateFault::NoKey => Self::NoKey,
            UpdateFault::Board => Self::Board,
            UpdateFault::Older => Self::Older,
            UpdateFault::TooLarge => Self::TooLarge,
            UpdateFault::Content => Self::Content,
            UpdateFault::Flash => Self::Flash,
        }
    }
}
