//! The log: what happens to the node, one line each, on the first serial port.
//!
//! Without `core::fmt`, which is 41 KB of an image.

use firmware::host::LinkError;
use firmware::{Event, PollError};
use wire::message::{Action, Outcome};

use crate::uart;

/// Writes the parts of a line and a number.
pub(crate) fn line(parts: &[&str], number: Option<u32>) {
    critical_section::with(|_| {
        parts.iter().for_each(|part| uart::log(part));
        if let Some(mut number) = number {
            let mut digits = [b'0'; 10];
            let mut start = digits.len();
            for (at, digit) in digits.iter_mut().enumerate().rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
                start = at;
                if number == 0 {
                    break;
                }
            }
            uart::log(" ");
            uart::log(core::str::from_utf8(digits.get(start..).unwrap_or_default()).unwrap_or(""));
        }
        uart::log("\n");
    });
}

/// The board, as the node sees it.
pub(crate) struct Board;

fn reason(error: PollError) -> &'static str {
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

impl firmware::Host for Board {
    fn tell(&self, event: Event) {
        match event {
            Event::Connected => {
                #[cfg(feature = "tls")]
                line(
                    &["handshake ms"],
                    Some(kit::tls::HANDSHAKE_MS.load(core::sync::atomic::Ordering::Relaxed)),
                );
                line(&["connected"], None);
            }
            Event::Disconnected(error) => {
                let reason = match error {
                    LinkError::Unreachable => "unreachable",
                    LinkError::Untrusted => "untrusted",
                    LinkError::Refused => "refused",
                    LinkError::Lost => "lost",
                    LinkError::Protocol => "protocol",
                };
                line(&["not connected: ", reason], None);
            }
            Event::PlanApplied(revision) => line(&["plan applied"], Some(revision)),
            Event::PlanRejected(fault) => line(&["plan rejected: ", fault.code()], None),
            Event::PollFailed { meter, error, first: true } => {
                line(&["meter fails: ", meter.as_str(), " ", reason(error)], None);
            }
            Event::PollFailed { first: false, .. } => {}
            Event::MeterAnswers(meter) => line(&["meter answers: ", meter.as_str()], None),
        }
    }

    fn act(&self, action: Action) -> Outcome {
        match action {
            Action::Identify => {
                line(&["this is the node that was asked for"], None);
                Outcome::Done
            }
            // The answer goes out before the watchdog, which is not fed any more, acts.
            Action::Reboot => Outcome::Refused,
        }
    }
}
