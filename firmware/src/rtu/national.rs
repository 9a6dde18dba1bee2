//! Frames of DL/T 645-2007 and CJ/T 188: what is sent, and what is found in what was received.
//!
//! ```text
//! DL/T 645   FE… 68 A0 A1 A2 A3 A4 A5 68    C L data sum 16    data + 33 each
//! CJ/T 188   FE… 68 T  A0 A1 A2 A3 A4 A5 A6 C L data sum 16    data as they are
//! ```
//!
//! Both are one shape: a head, a control code, a length, that many bytes, the sum of all
//! since 68. So there is one reader for both.
//!
//! What can be sent is [`Question`], and it has two makers: the data behind an identifier of
//! one meter, and the number of the only meter on a line. The control codes that write a
//! parameter, clear a meter or throw a switch stand nowhere in this program.
//!
//! Source: DL/T 645-2007, 5 and 7.1; CJ/T 188-2004 and -2018, frame format and read data.

use wire::modbus::Table;
use wire::{Address, Protocol};

use super::frame::Search;
use crate::bus::{PollError, Request};

const START: u8 = 0x68;
const END: u8 = 0x16;
/// Wakes a meter and tells its receiver the bits' rhythm; four go before each request.
const LEAD: u8 = 0xFE;
const LEADS: usize = 4;
/// Stands for any two digits.
const ANY: u8 = 0xAA;

const DLT645_READ: u8 = 0x11;
const DLT645_READ_NUMBER: u8 = 0x13;
const CJT188_READ: u8 = 0x01;
const CJT188_READ_NUMBER: u8 = 0x03;

const ANSWER: u8 = 0x80;
const REFUSAL: u8 = 0xC0;

/// From 68 to the last byte before the sum, at most.
const BODY_MAX: usize = 14;
/// Control, length.
const CONTROL: usize = 2;
/// Sum, 16.
const TAIL: usize = 2;

/// The longest frame that is sent.
pub(super) const SENT_MAX: usize = LEADS + BODY_MAX + TAIL;

/// What a meter is asked, and with it what its answer must look like.
pub(super) struct Question {
    /// The request with its lead bytes and its sum.
    sent: [u8; SENT_MAX],
    sent_len: usize,
    /// 68 and the address as it lies on the line.
    head_len: usize,
    /// How many bytes of the question's data come back in front of the answer's, and how many
    /// of these must be the same.
    echo: (usize, usize),
    /// What was added to each byte of the data.
    mask: u8,
    /// Any meter may answer.
    anyone: bool,
    wanted: usize,
}

impl Question {
    /// The data behind an identifier. `None` if the address is not that of one meter, or the
    /// table is one of registers.
    pub(super) fn data(request: &Request, wanted: usize) -> Option<Self> {
        let protocol = Protocol::of(request.table);
        if !request.meter.fits(protocol) {
            return None;
        }
        let [a, b, c, d, e, f, g, _] = request.meter.number().to_le_bytes();
        let question = |body, head_len, echo, mask| Self {
            sent: whole(body),
            sent_len: SENT_MAX,
            head_len,
            echo,
            mask,
            anyone: false,
            wanted,
        };
        match request.table {
            Table::Dlt645 => {
                let [p, q, r, s] =
                    request.address.to_le_bytes().map(|byte| byte.wrapping_add(0x33));
                let control = DLT645_READ;
                let body = [START, a, b, c, d, e, f, START, control, 4, p, q, r, s];
                Some(question(body, 8, (4, 4), 0x33))
            }
            Table::Cjt188 => {
                let [_, meter_type, p, q] = request.address.to_be_bytes();
                let control = CJT188_READ;
                // The serial number comes back, but not from every meter.
                let body = [START, meter_type, a, b, c, d, e, f, g, control, 3, p, q, 0];
                Some(question(body, 9, (3, 2), 0))
            }
            Table::Coil | Table::DiscreteInput | Table::Holding | Table::Input => None,
        }
    }

    /// The number of the only meter on the line; `None` where meters have none.
    pub(super) fn number(protocol: Protocol) -> Option<Self> {
        let (sent, sent_len, head_len, echo, mask) = match protocol {
            Protocol::Modbus => return None,
            Protocol::Dlt645 => {
                let mut sent = [ANY; SENT_MAX];
                let [l, e, a, d, start, _, _, _, _, _, _, again, control, len, sum, end, ..] =
                    &mut sent;
                (*l, *e, *a, *d) = (LEAD, LEAD, LEAD, LEAD);
                (*start, *again, *control, *len) = (START, START, DLT645_READ_NUMBER, 0);
                // 68, six times AA, 68, 13, 00.
                (*sum, *end) = (0xDF, END);
                (sent, 16, 8, (0, 0), 0x33)
            }
            Protocol::Cjt188 => {
                let mut body = [ANY; BODY_MAX];
                let [start, .., control, len, first, second, serial] = &mut body;
                (*start, *control, *len) = (START, CJT188_READ_NUMBER, 3);
                (*first, *second, *serial) = (0x81, 0x0A, 0);
                (whole(body), SENT_MAX, 9, (3, 0), 0)
            }
        };
        Some(Self { sent, sent_len, head_len, echo, mask, anyone: true, wanted: 0 })
    }

    /// Returns the request with its lead bytes.
    pub(super) fn sent(&self) -> &[u8] {
        self.sent.get(..self.sent_len).unwrap_or_default()
    }

    /// The most bytes that the answer should take: leads, what was asked for, and a little more.
    pub(super) fn frame_len(&self) -> usize {
        self.wanted.saturating_add(SENT_MAX + 12)
    }

    /// The request from 68 on.
    fn body(&self) -> &[u8] {
        self.sent.get(LEADS..).unwrap_or_default()
    }

    /// Where the answer's data begin.
    fn data_at(&self) -> usize {
        self.head_len.saturating_add(CONTROL)
    }

    fn judge(&self, rest: &[u8]) -> Verdict {
        if rest.first() != Some(&START) {
            return Verdict::Nothing;
        }
        let known = rest.get(..self.head_len).unwrap_or(rest);
        let ours = self.anyone || self.body().starts_with(known);
        let unfinished = if ours { Verdict::Begun } else { Verdict::Nothing };
        let data_at = self.data_at();
        let (Some(&control), Some(&len)) =
            (rest.get(self.head_len), rest.get(data_at.saturating_sub(1)))
        else {
            return unfinished;
        };
        let summed = data_at.saturating_add(usize::from(len));
        let (Some(frame), Some(&[found, end])) =
            (rest.get(..summed), rest.get(summed..).and_then(|tail| tail.first_chunk()))
        else {
            return unfinished;
        };
        if sum(frame) != found || end != END {
            return if ours { Verdict::Damaged } else { Verdict::Nothing };
        }
        if !ours {
            return Verdict::Theirs;
        }
        let data = frame.get(data_at..).unwrap_or_default();
        let asked = self.body().get(self.head_len).copied().unwrap_or_default();
        let (echoed, same) = self.echo;
        let answers = || {
            let question = self.body().get(data_at..).unwrap_or_default();
            echoed.saturating_add(self.wanted) <= data.len()
                && data.get(..same) == question.get(..same)
        };
        match control ^ asked {
            // Our own words, or those of another reader.
            0 => Verdict::Nothing,
            ANSWER if answers() => Verdict::Answer,
            // CJ/T 188 puts the serial number in front of the reason.
            REFUSAL => {
                let code = data.get(usize::from(self.mask == 0)).copied().unwrap_or_default();
                Verdict::Refused(code.wrapping_sub(self.mask))
            }
            _ => Verdict::Other,
        }
    }

    /// Looks for the answer, wherever it begins: noise, leads and echoes may stand before it;
    /// and says what the bytes are if they hold none.
    #[inline(never)]
    fn look(&self, bytes: &[u8]) -> (Search, PollError) {
        let mut begun = bytes.last() == Some(&LEAD);
        let mut error = if bytes.is_empty() { PollError::Silent } else { PollError::Noise };
        for at in 0..bytes.len() {
            let told = match self.judge(bytes.get(at..).unwrap_or_default()) {
                Verdict::Answer => return (Search::Answer { at }, error),
                Verdict::Refused(code) => return (Search::Refused { code }, error),
                Verdict::Nothing => continue,
                Verdict::Begun => {
                    begun = true;
                    PollError::Truncated
                }
                Verdict::Damaged => PollError::BadCrc,
                Verdict::Other => PollError::WrongAnswer,
                Verdict::Theirs => PollError::WrongUnit,
            };
            if rank(error) < rank(told) {
                error = told;
            }
        }
        (if begun { Search::Begun } else { Search::Nothing }, error)
    }

    pub(super) fn search(&self, bytes: &[u8]) -> Search {
        self.look(bytes).0
    }

    /// Says what bytes are that hold no answer.
    pub(super) fn blame(&self, bytes: &[u8]) -> PollError {
        self.look(bytes).1
    }

    /// Writes the first bytes of an answer that begins `frame`, each as a word.
    pub(super) fn unpack(&self, frame: &[u8], out: &mut [u16]) {
        let data = frame.get(self.data_at().saturating_add(self.echo.0)..).unwrap_or_default();
        for (slot, byte) in out.iter_mut().zip(data) {
            *slot = u16::from(byte.wrapping_sub(self.mask));
        }
    }

    /// Returns the number in the head of an answer.
    pub(super) fn sender(&self, frame: &[u8]) -> Address {
        // Between 68 and 68 with one protocol, behind 68 and the type with the other.
        let digits = match self.mask {
            0 => frame.get(2..9),
            _ => frame.get(1..7),
        };
        let append = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        Address::from_number(digits.unwrap_or_default().iter().rev().fold(0, append))
    }
}

/// What begins at a byte.
enum Verdict {
    Answer,
    Refused(u8),
    /// A frame that is not whole and may be the answer.
    Begun,
    /// An answer of the right shape with the wrong sum.
    Damaged,
    /// A good frame of another meter.
    Theirs,
    /// A good frame of this meter, and no answer to this question.
    Other,
    Nothing,
}

/// How much a fault explains: a good frame of another meter more than a broken one of ours.
const fn rank(error: PollError) -> u8 {
    match error {
        PollError::Truncated => 1,
        PollError::BadCrc => 2,
        PollError::WrongAnswer => 3,
        PollError::WrongUnit => 4,
        PollError::Silent | PollError::Refused(_) | PollError::Noise | PollError::BusDown => 0,
    }
}

/// Puts lead bytes before a frame and its end behind it.
fn whole(body: [u8; BODY_MAX]) -> [u8; SENT_MAX] {
    let mut sent = [LEAD; SENT_MAX];
    let [_, _, _, _, rest @ .., last, end] = &mut sent;
    *rest = body;
    (*last, *end) = (sum(&body), END);
    sent
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests;
