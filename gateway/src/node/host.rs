//! What a Linux machine brings to a node: the time and the log.

use firmware::host::LinkError;
use firmware::{Event, PollError};
use wire::Name;
use wire::message::{self, Action, Outcome};

use crate::clock::Clock;
use crate::events;

/// The clock of the process; it may run fast in a demonstration.
pub(super) struct SiteTime(pub(super) Clock);

impl firmware::Clock for SiteTime {
    fn now(&self) -> Option<i64> {
        Some(self.0.now())
    }

    fn quality(&self) -> message::Clock {
        message::Clock::Synced
    }

    async fn sleep_until(&self, instant: i64) {
        self.0.sleep_until(instant).await;
    }
}

/// Logs what happens to a node.
pub(super) struct Machine {
    node: Name,
}

impl Machine {
    pub(super) fn new(node: Name) -> Self {
        Self { node }
    }
}

pub(super) fn reason(error: PollError) -> &'static str {
    match error {
        PollError::Silent => "silent",
        PollError::Refused(_) => "refused",
        PollError::BadCrc => "bad check sum",
        PollError::Truncated => "truncated",
        PollError::WrongUnit => "another meter answered",
        PollError::WrongAnswer => "answer to another question",
        PollError::Noise => "noise",
        PollError::BusDown => "bus cannot be reached",
    }
}

impl firmware::Host for Machine {
    fn tell(&self, event: Event) {
        let node = self.node;
        match event {
            Event::Connected => tracing::info!(%node, "node connected"),
            Event::Disconnected(error) => {
                let reason = match error {
                    LinkError::Unreachable => "nobody answers at the broker's address",
                    LinkError::Untrusted => "there is no safe connection to the gateway",
                    LinkError::Refused => "the broker refused the login or a message",
                    LinkError::Lost => "the connection was lost",
                    LinkError::Protocol => "the other side does not speak MQTT 5",
                };
                tracing::warn!(%node, reason, "node not connected; it tries again");
            }
            Event::PlanApplied(revision) => tracing::info!(%node, revision, "plan applied"),
            Event::PlanRejected(fault) => {
                tracing::error!(%node, fault = fault.code(), "plan rejected");
            }
            Event::PollFailed { meter, error, first } => {
                events::poll_failed(&meter, reason(error));
                if first {
                    tracing::warn!(%node, %meter, reason = reason(error), "meter fails");
                }
            }
            Event::MeterAnswers(meter) => tracing::info!(%node, %meter, "meter answers again"),
        }
    }

    fn act(&self, action: Action) -> Outcome {
        match action {
            Action::Identify => {
                tracing::info!(node = %self.node, "this is the node that was asked for");
                Outcome::Done
            }
            // Its supervisor starts and stops this process; nobody does so over the network.
            Action::Reboot => Outcome::Refused,
        }
    }
}
