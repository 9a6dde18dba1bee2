//! Registers of the board's devices.
#![expect(unsafe_code, reason = "a device is reached through its address")]

/// One 32-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Register(usize);

impl Register {
    /// The register at an offset of a device.
    pub(crate) const fn at(device: usize, offset: usize) -> Self {
        Self(device + offset)
    }

    /// Reads it.
    pub(crate) fn read(self) -> u32 {
        // SAFETY: all addresses in this crate are those of device registers of the mps2-an386
        // (Arm AN386, QEMU hw/arm/mps2.c), aligned, and never memory that Rust knows of.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Writes it.
    pub(crate) fn write(self, value: u32) {
        // SAFETY: as above.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
