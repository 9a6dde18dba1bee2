//! Calls to the emulator: files, the host's time, the arguments (Arm semihosting, ARM IHI
//! 0222E).
#![expect(unsafe_code, reason = "a call is one instruction that only assembly can say")]

use core::arch::asm;

const OPEN: usize = 0x01;
const SAY: usize = 0x04;
const WRITE: usize = 0x05;
const READ: usize = 0x06;
const SEEK: usize = 0x0A;
const EXIT: usize = 0x18;
const TIME: usize = 0x11;
const GET_CMDLINE: usize = 0x15;

/// `fopen` modes by their number.
const READ_WRITE: usize = 3;
const CREATE: usize = 7;

fn call(operation: usize, arguments: &[usize]) -> isize {
    let mut answer = operation as isize;
    // SAFETY: the emulator reads and writes only what the arguments of each operation below
    // point to, and they outlive the instruction.
    unsafe {
        asm!("bkpt 0xAB", inout("r0") answer, in("r1") arguments.as_ptr(), options(nostack));
    }
    answer
}

/// Ends the emulator; its exit code tells whether that is well.
pub(crate) fn exit(well: bool) -> ! {
    // `ADP_Stopped_ApplicationExit`, or a run-time error.
    let reason: usize = if well { 0x2_0026 } else { 0x2_0023 };
    loop {
        // SAFETY: the emulator ends; it reads no memory of ours.
        unsafe {
            asm!("bkpt 0xAB", in("r0") EXIT, in("r1") reason, options(nostack));
        }
    }
}

/// Writes a text that ends with a zero to the emulator's own output.
pub(crate) fn say(text: &core::ffi::CStr) {
    // SAFETY: the emulator reads the text up to its zero.
    unsafe {
        asm!("bkpt 0xAB", inout("r0") SAY => _, in("r1") text.as_ptr(), options(nostack));
    }
}

/// A file of the host, in the emulator's working directory.
pub(crate) struct File(usize);

/// The host did not do as asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

impl File {
    /// Opens a file, and creates it if there is none. The name ends with a zero.
    pub(crate) fn open(name: &core::ffi::CStr) -> Result<Self, Refused> {
        let len = name.count_bytes();
        let open = |mode| usize::try_from(call(OPEN, &[name.as_ptr() as usize, mode, len]));
        open(READ_WRITE).or_else(|_| open(CREATE)).map(Self).map_err(|_| Refused)
    }

    fn seek(&mut self, offset: u32) -> Result<(), Refused> {
        if call(SEEK, &[self.0, offset as usize]) == 0 { Ok(()) } else { Err(Refused) }
    }

    /// Reads at an offset; returns how many bytes were there before the end.
    pub(crate) fn read_at(&mut self, offset: u32, bytes: &mut [u8]) -> Result<usize, Refused> {
        self.seek(offset)?;
        let missing = call(READ, &[self.0, bytes.as_mut_ptr() as usize, bytes.len()]);
        let missing = usize::try_from(missing).map_err(|_| Refused)?;
        bytes.len().checked_sub(missing).ok_or(Refused)
    }

    /// Writes all bytes at an offset.
    pub(crate) fn write_at(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
        self.seek(offset)?;
        let missing = call(WRITE, &[self.0, bytes.as_ptr() as usize, bytes.len()]);
        if missing == 0 { Ok(()) } else { Err(Refused) }
    }
}

/// The host's time, whole Unix seconds: 32 bits of them.
pub(crate) fn unix_seconds() -> u32 {
    call(TIME, &[0]).cast_unsigned().try_into().unwrap_or(0)
}

/// The arguments that the emulator was started with, one space between two.
pub(crate) fn arguments(buffer: &'static mut [u8]) -> &'static str {
    let mut block = [buffer.as_mut_ptr() as usize, buffer.len()];
    let mut answer = GET_CMDLINE as isize;
    // SAFETY: the emulator writes at most the buffer's length into it, and the length of
    // what it wrote into the block.
    unsafe {
        asm!("bkpt 0xAB", inout("r0") answer, in("r1") block.as_mut_ptr(), options(nostack));
    }
    let [_, len] = block;
    let text = buffer.get(..len).filter(|_| answer == 0).unwrap_or_default();
    core::str::from_utf8(text).unwrap_or_default().trim_end_matches('\0')
}
