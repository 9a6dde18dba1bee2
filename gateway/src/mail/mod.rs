//! Sends what waits in the journal's outbox; the only place that speaks SMTP.
//!
//! `compose` makes a row of the outbox a mail. `smtp` gives one mail to one server and
//! says what a failure means. `outbox` decides what happens to a mail then, and when it is
//! tried again.
//!
//! Not here: why a mail was written (`alert`, `report`), how it looks (`letter`).

mod compose;
mod outbox;
mod smtp;

pub use outbox::{HOLD_S, Outbox, WORTH_TRYING_S};
pub use smtp::{Hold, SendError, SenderError, Server, TIMEOUT};

#[cfg(test)]
mod sink;
