//! Lines to the server in requests that it can take, and the ones that it cannot apart.
//!
//! In: lines. Out: how many are taken and which are not, or why to come again.
//!
//! Too much at once is halved. A request with a line that is not taken is halved, too,
//! until that line is alone: servers name one bad line, or none, and some drop it without
//! the others. `n` lines with one bad cost some 2 log n requests; what is sent twice is the
//! same row there.

use super::client::{Client, Verdict};
use super::line::Lines;
use crate::clock::Clock;
use crate::store::targets::Refused;

/// Lines in one request.
const LINES_MAX: usize = 5_000;
/// Bytes in one request, before they are compressed.
const BYTES_MAX: usize = 1024 * 1024;

/// What became of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Lines that were taken.
    pub(super) lines: u64,
    /// Lines that are not taken, alone and whenever they are sent.
    pub(super) refused: Vec<Refused>,
}

/// Why lines are still to be delivered; all of them, since one taken twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The same may do later.
    Later {
        /// What kind of trouble it is.
        class: &'static str,
        /// What the server or the network says.
        reason: String,
        /// How long the server asks us to wait, s.
        after_s: Option<i64>,
    },
    /// Nothing will do until somebody changes a setting.
    Stopped {
        /// HTTP status.
        status: u16,
        /// What the server says.
        reason: String,
    },
}

/// Delivers lines, one request after the other.
///
/// # Errors
///
/// [`Trouble`] by what there is to do.
pub(super) async fn deliver(
    client: &Client,
    lines: &Lines,
    clock: &Clock,
) -> Result<Delivered, Trouble> {
    let mut delivered = Delivered::default();
    // What is still to be sent, the next on top.
    let mut parts = vec![(0, lines.len())];
    while let Some((from, to)) = parts.pop() {
        if to <= from {
            continue;
        }
        let fits = lines.fitting(from, LINES_MAX, BYTES_MAX).min(to);
        if fits < to {
            parts.push((fits, to));
        }
        let part = lines.part(from, fits);
        let reason = match client.write(part, clock.now()).await {
            Verdict::Taken => {
                delivered.lines += (fits - from) as u64;
                continue;
            }
            Verdict::TooLarge => "the server takes no line of this length".to_owned(),
            Verdict::Refused { reason } => reason,
            Verdict::Later { class, reason, after_s } => {
                return Err(Trouble::Later { class, reason, after_s });
            }
            Verdict::Stopped { status, reason } => {
                return Err(Trouble::Stopped { status, reason });
            }
        };
        if fits - from == 1 {
            delivered.refused.push(Refused { reason, line: part.trim_end().to_owned() });
            continue;
        }
        let middle = from + (fits - from) / 2;
        parts.push((middle, fits));
        parts.push((from, middle));
    }
    Ok(delivered)
}
