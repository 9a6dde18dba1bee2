//! What a host brings to a node, and what it is told.

use embedded_io_async::{Read, Write};
use wire::Name;
use wire::message::{self, Action, Outcome, PlanFault};

use crate::bus::PollError;

/// Tells the time of the site. The short times of the line are `embassy-time`'s.
///
/// Apart because a demonstration runs its day in minutes, while its meters answer no
/// faster for it.
pub trait Clock {
    /// Returns the instant now in Unix seconds, or `None` as long as nobody has said: a
    /// node without the time reads nothing, for a reading without an instant is no fact.
    fn now(&self) -> Option<i64>;

    /// Returns how the instant is known.
    fn quality(&self) -> message::Clock;

    /// Returns at or soon after an instant, Unix seconds. Earlier does no harm.
    async fn sleep_until(&self, instant: i64);
}

/// Opens connections to the gateway or broker.
pub trait Dialer {
    /// A connection; reading from it must be cancel-safe, as on any socket.
    type Connection<'a>: Read + Write
    where
        Self: 'a;

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Why that is not possible now.
    async fn dial(&mut self) -> Result<Self::Connection<'_>, LinkError>;
}

/// Why a connection ended or did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkError {
    /// Nobody there.
    Unreachable,
    /// Who answers cannot prove to be the gateway.
    Untrusted,
    /// The other side does not let us in, or refuses what we publish.
    Refused,
    /// It was there and is not any more.
    Lost,
    /// The other side does not speak MQTT 5 as we do.
    Protocol,
}

/// What happened, for a log or a lamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection to the gateway stands.
    Connected,
    /// It does not, and this is why; said once until it stands again.
    Disconnected(LinkError),
    /// The node works by the plan of this revision.
    PlanApplied(u32),
    /// A plan came that is no good.
    PlanRejected(PlanFault),
    /// A poll of a meter came without some or all of its values.
    PollFailed {
        /// Which meter.
        meter: Name,
        /// What came first instead.
        error: PollError,
        /// It is the first such poll after good ones: the one to make a noise about.
        first: bool,
    },
    /// A meter gives all its values again.
    MeterAnswers(Name),
}

/// The device the node runs on.
pub trait Host {
    /// Whether it has room for what an installer asks of a bus (scan and trace): an image of
    /// 128 KiB of flash has none.
    const INSTALLS: bool = true;

    /// Takes note of something that happened.
    fn tell(&self, event: Event);

    /// Does what the gateway asks for.
    fn act(&self, action: Action) -> Outcome;
}
