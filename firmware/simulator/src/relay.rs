//! A relay module on a bus: coils that switch the lights of meters.
//!
//! In: what a Modbus master writes to its coils. Out: the coils as they stand, and lights
//! that go out with theirs. A coil that is on lets the circuit have what it draws; whoever
//! switches lights on behind one that is off has to switch it on first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use wire::Name;

use crate::campus::Campus;

/// One coil, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coil {
    /// Whose lights it switches.
    pub meter: Name,
    /// Whether it is on.
    pub on: bool,
    /// How often it was written, whatever it was before.
    pub writes: u32,
}

/// A relay module.
#[derive(Debug)]
pub struct Relay {
    pub(crate) bus: Name,
    pub(crate) unit_id: u8,
    coils: Mutex<Vec<Coil>>,
}

impl Relay {
    /// Returns a module whose coils are all on, each for one meter.
    #[must_use]
    pub fn new(bus: Name, unit_id: u8, meters: &[Name]) -> Self {
        let coil = |meter: &Name| Coil { meter: *meter, on: true, writes: 0 };
        Self { bus, unit_id, coils: Mutex::new(meters.iter().map(coil).collect()) }
    }

    /// Returns `count` coils from an address on; `None` if there are not so many, or none.
    pub(crate) fn read(&self, address: u16, count: u16) -> Option<Vec<bool>> {
        let first = usize::from(address);
        let last = first + usize::from(count);
        let coils = self.coils();
        let read = coils.get(first..last).filter(|read| !read.is_empty())?;
        Some(read.iter().map(|coil| coil.on).collect())
    }

    /// Writes a coil and returns whose lights it switches; `None` if there is no such coil.
    pub(crate) fn write(&self, address: u16, on: bool) -> Option<Name> {
        let mut coils = self.coils();
        let coil = coils.get_mut(usize::from(address))?;
        coil.on = on;
        coil.writes = coil.writes.saturating_add(1);
        Some(coil.meter)
    }

    /// Returns the coil that switches the lights of a meter.
    #[must_use]
    pub fn coil_of(&self, meter: &Name) -> Option<Coil> {
        self.coils().iter().find(|coil| coil.meter == *meter).copied()
    }

    fn coils(&self) -> MutexGuard<'_, Vec<Coil>> {
        self.coils.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Campus {
    /// Puts a relay module on one of the buses.
    #[must_use]
    pub fn with_relay(mut self, relay: Relay) -> Self {
        self.relays.push(relay);
        self
    }

    pub(crate) fn relay_on(&self, bus: &Name, unit_id: u8) -> Option<&Relay> {
        self.relays.iter().find(|relay| relay.bus == *bus && relay.unit_id == unit_id)
    }

    /// Returns the coil that switches the lights of a meter, if there is one.
    #[must_use]
    pub fn coil_of(&self, meter: &Name) -> Option<Coil> {
        self.relays.iter().find_map(|relay| relay.coil_of(meter))
    }
}
