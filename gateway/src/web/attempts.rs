//! How often somebody may try a password.
//!
//! Wrong attempts are counted per client address and per user name over a sliding span.
//! By address, so that one client cannot try many names; by name, with more patience, so
//! that many clients cannot try one, and a prankster cannot lock a caretaker out at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Length of the span over which wrong attempts are counted, s.
const SPAN_S: i64 = 300;
/// Wrong attempts that one address has within the span.
const PER_ADDRESS: usize = 5;
/// Wrong attempts that one name has within the span.
const PER_NAME: usize = 20;
/// Addresses and names that are remembered; beyond, the longest quiet is forgotten.
const KEYS_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Address(IpAddr),
    Name(String),
}

/// Wrong attempts of late.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<Key, Vec<i64>>>);

impl Attempts {
    /// Counts an attempt before its password is looked at, and returns whether it may be.
    ///
    /// Counted first, so that many attempts at the same time are not all let through.
    ///
    /// # Errors
    ///
    /// The seconds until the next attempt may be made.
    pub(crate) fn begin(&self, address: IpAddr, name: &str, now: i64) -> Result<(), u64> {
        let mut keys = self.keys();
        keys.retain(|_, times| {
            // A clock that was set back would keep a person out until it is there again.
            times.retain(|&time| now - SPAN_S < time && time <= now);
            !times.is_empty()
        });
        let limits = [(Key::Address(address), PER_ADDRESS), (Key::Name(name.to_owned()), PER_NAME)];
        for (key, limit) in &limits {
            if let Some(times) = keys.get(key)
                && *limit <= times.len()
            {
                let oldest = times.first().copied().unwrap_or(now);
                return Err(u64::try_from(oldest + SPAN_S - now).unwrap_or(1).max(1));
            }
        }
        for (key, _) in limits {
            if KEYS_MAX <= keys.len() && !keys.contains_key(&key) {
                let quiet = keys.iter().min_by_key(|(_, times)| times.last().copied());
                if let Some(quiet) = quiet.map(|(key, _)| key.clone()) {
                    keys.remove(&quiet);
                }
            }
            keys.entry(key).or_default().push(now);
        }
        Ok(())
    }

    /// Forgets the attempts of an address and a name, since the password was right.
    pub(crate) fn succeeded(&self, address: IpAddr, name: &str) {
        let mut keys = self.keys();
        keys.remove(&Key::Address(address));
        keys.remove(&Key::Name(name.to_owned()));
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn an_address_waits_after_five_wrong_attempts_whatever_the_names() {
        let attempts = Attempts::default();

        let answers: Vec<_> =
            (0..6).map(|n| attempts.begin(HERE, &format!("name-{n}"), 1_000 + n)).collect();

        assert_eq!(answers, [Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), Err(295)]);
        assert_eq!(attempts.begin(HERE, "name", 1_299), Err(1));
        assert_eq!(attempts.begin(HERE, "name", 1_300), Ok(()));
    }

    #[test]
    fn a_name_waits_after_twenty_wrong_attempts_from_anywhere() {
        let attempts = Attempts::default();

        let answers: Vec<_> =
            (0..21).map(|n| attempts.begin(address(n), "wang", 1_000).is_ok()).collect();

        assert_eq!(answers.iter().filter(|&&ok| ok).count(), 20);
        assert!(attempts.begin(address(99), "li", 1_000).is_ok());
    }

    #[test]
    fn the_right_password_forgets_the_wrong_ones() {
        let attempts = Attempts::default();
        (0..5).for_each(|_| attempts.begin(HERE, "wang", 1_000).unwrap());

        attempts.succeeded(HERE, "wang");

        assert_eq!(attempts.begin(HERE, "wang", 1_000), Ok(()));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let attempts = Attempts::default();

        for n in 0..20_000_u32 {
            let address = IpAddr::from(n.to_be_bytes());
            attempts.begin(address, "wang", i64::from(n / 100)).ok();
        }

        assert!(attempts.keys().len() <= KEYS_MAX);
    }
}
