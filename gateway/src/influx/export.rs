//! Everything that the store has, to a target, once and by hand.
//!
//! For a bucket that lost its rows, or one that a running gateway does not feed. It has a
//! position of its own in the store, so it goes on where it was interrupted, and a gateway
//! that runs beside it is not disturbed.

use std::sync::Arc;

use analysis::figures::SiteDay;

use super::client::Client;
use super::deliver::{Delivered, Trouble, deliver};
use super::feed::{Kind, Part, back_off_s, off_the_executor, read};
use super::line::{Labels, Lines};
use crate::clock::Clock;
use crate::store::targets::Progress;
use crate::store::{Store, StoreError};

/// Tries of one request before the export gives up.
const TRIES_MAX: u32 = 6;

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Lines that the target took, over all attempts.
    pub lines: u64,
    /// Lines that it refused.
    pub refused: u64,
}

/// Why an export ended early; it goes on from there when it is run again.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read, or the position not written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target is away.
    #[error("InfluxDB did not take the readings: {reason}")]
    Away {
        /// What it or the network says.
        reason: String,
    },
    /// The target turns us away.
    #[error("InfluxDB turns us away (HTTP {status}): {reason}")]
    Stopped {
        /// HTTP status.
        status: u16,
        /// What it says.
        reason: String,
    },
}

/// Sends everything that the store has, then `days`. `say` hears how many lines the target
/// has taken, after each step.
///
/// # Errors
///
/// [`ExportError`] by what there is to do.
pub async fn export(
    (store, clock): (&Store, &Clock),
    client: &Client,
    target: &str,
    labels: &Arc<Labels>,
    days: &[SiteDay],
    mut say: impl FnMut(Exported),
) -> Result<Exported, ExportError> {
    let name = format!("{target} (export)");
    let mut progress = {
        let (store, name) = (store.clone(), name.clone());
        off_the_executor(move || store.targets().progress(&name)).await?
    };
    loop {
        let before = progress.position;
        for kind in [Kind::New, Kind::Owed] {
            let part = read(store, progress.position, kind, labels).await?;
            progress = step((store, clock), client, &name, progress, part).await?;
        }
        say(Exported { lines: progress.lines, refused: progress.refused });
        if progress.position == before {
            break;
        }
    }
    let mut lines = Lines::default();
    days.iter().for_each(|day| lines.push_day(day));
    let delivered = insist(client, &lines, clock, &name).await?;
    let exported = Exported {
        lines: progress.lines + delivered.lines,
        refused: progress.refused + delivered.refused.len() as u64,
    };
    let store = store.clone();
    off_the_executor(move || store.targets().forget(&name)).await?;
    say(exported);
    Ok(exported)
}

async fn step(
    (store, clock): (&Store, &Clock),
    client: &Client,
    name: &str,
    before: Progress,
    part: Part,
) -> Result<Progress, ExportError> {
    let position = part.fed.position;
    if position == before.position {
        return Ok(before);
    }
    let Delivered { lines, refused } = insist(client, &part.lines, clock, name).await?;
    let progress = Progress {
        position,
        lines: before.lines + lines,
        refused: before.refused + refused.len() as u64,
    };
    let (store, name, now) = (store.clone(), name.to_owned(), clock.now());
    off_the_executor(move || store.targets().moved(&name, &position, lines, &refused, now)).await?;
    Ok(progress)
}

/// Delivers lines, and tries again a few times.
async fn insist(
    client: &Client,
    lines: &Lines,
    clock: &Clock,
    name: &str,
) -> Result<Delivered, ExportError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match deliver(client, lines, clock).await {
            Ok(delivered) => return Ok(delivered),
            Err(Trouble::Stopped { status, reason }) => {
                return Err(ExportError::Stopped { status, reason });
            }
            Err(Trouble::Later { reason, .. }) if TRIES_MAX <= tries => {
                return Err(ExportError::Away { reason });
            }
            Err(Trouble::Later { after_s, .. }) => {
                clock.sleep(back_off_s(tries, name).max(after_s.unwrap_or(0))).await;
            }
        }
    }
}
