//! The library that stands between a process and its files; see the crate's front page.
//!
//! Each function has the name and the arguments of one of C's, does the system call itself
//! (so that it needs nothing of the library whose place it takes), and reports as that one
//! would. Files outside the folder pass through untouched.
//!
//! `open` and its like take a mode only when they make a file: they are variadic in C. On
//! the machines this runs on, an integer argument is passed the same way whether or not
//! the function is variadic, so here it is the third or fourth one and ignored where not
//! given.

#![expect(unsafe_code, reason = "a function that takes the place of one of C's is reached from C")]
use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use faults::recording::kind;
use faults::{CONTROL, FOLDER, LOG};

struct Watched {
    folder: Vec<u8>,
    control: CString,
    log: Option<c_int>,
    state: Mutex<State>,
}

/// What the control file said last, and what was counted since.
#[derive(Default)]
struct State {
    said: Vec<u8>,
    grown: u64,
    writes: u64,
    syncs: u64,
}

/// What is to happen to a call.
enum Verdict {
    Go,
    Fail(c_int),
    /// Do half of it and die.
    Tear,
}

fn watched() -> Option<&'static Watched> {
    static WATCHED: OnceLock<Option<Watched>> = OnceLock::new();
    WATCHED
        .get_or_init(|| {
            let folder = std::env::var_os(FOLDER)?.as_bytes().to_vec();
            let control = CString::new(std::env::var_os(CONTROL)?.as_bytes()).ok()?;
            let log = std::env::var_os(LOG).and_then(|log| CString::new(log.as_bytes()).ok()).map(
                |log| {
                    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
                    open_at(libc::AT_FDCWD, log.as_ptr(), flags, 0o644)
                },
            );
            Some(Watched { folder, control, log, state: Mutex::default() })
        })
        .as_ref()
}

impl Watched {
    /// One call at a time: what is written down is in the order in which it was done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.folder.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    }

    /// Reads the control file; a change begins the counts anew.
    fn fault(&self, state: &mut State) -> (Vec<u8>, u64) {
        let mut said = vec![0; 64];
        let file = open_at(libc::AT_FDCWD, self.control.as_ptr(), libc::O_RDONLY, 0);
        if 0 <= file {
            // SAFETY: the buffer is as long as said, and `file` was just opened.
            let len = unsafe {
                let len = libc::syscall(libc::SYS_read, file, said.as_mut_ptr(), said.len());
                libc::syscall(libc::SYS_close, file);
                len
            };
            said.truncate(usize::try_from(len).unwrap_or(0));
        } else {
            said.clear();
        }
        if said != state.said {
            *state = State { said: said.clone(), ..State::default() };
        }
        let mut words = said.split(|byte| *byte == b' ');
        let word = words.next().unwrap_or_default().to_vec();
        let number = words.next().and_then(|word| str::from_utf8(word).ok()?.trim().parse().ok());
        (word, number.unwrap_or(0))
    }

    fn on_write(&self, state: &mut State, growth: u64) -> Verdict {
        let (word, number) = self.fault(state);
        let nth = state.writes;
        state.writes += 1;
        match word.as_slice() {
            b"full" if 0 < growth && number < state.grown + growth => Verdict::Fail(libc::ENOSPC),
            b"readonly" => Verdict::Fail(libc::EROFS),
            b"writes" if number <= nth => Verdict::Fail(libc::EIO),
            b"torn" if number <= nth => Verdict::Tear,
            _ => {
                state.grown += growth;
                Verdict::Go
            }
        }
    }

    fn on_sync(&self, state: &mut State) -> Verdict {
        let (word, number) = self.fault(state);
        let nth = state.syncs;
        state.syncs += 1;
        match word.as_slice() {
            b"syncs" if number <= nth => Verdict::Fail(libc::EIO),
            b"onesync" if number == nth => Verdict::Fail(libc::EIO),
            _ => Verdict::Go,
        }
    }

    /// What changes a name.
    fn on_change(&self, state: &mut State) -> Verdict {
        let (word, _) = self.fault(state);
        if word == b"readonly" { Verdict::Fail(libc::EROFS) } else { Verdict::Go }
    }

    fn note(&self, kind: u8, inode: u64, number: u64, path: &[u8], data: &[u8]) {
        let Some(log) = self.log else { return };
        let mut out = Vec::with_capacity(25 + path.len() + data.len());
        out.push(kind);
        out.extend_from_slice(&inode.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        for bytes in [path, data] {
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            // SAFETY: the bytes are as long as said, and the log stays open for good.
            let len = unsafe { libc::syscall(libc::SYS_write, log, rest.as_ptr(), rest.len()) };
            match usize::try_from(len) {
                Ok(len) => rest = rest.get(len..).unwrap_or_default(),
                Err(_) => die(),
            }
        }
    }
}

fn die() -> ! {
    // SAFETY: ends this very process, which is what is wanted.
    unsafe {
        libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL);
    }
    std::process::abort()
}

fn fail(errno: c_int) -> c_long {
    // SAFETY: the place of this thread's error number, as C gives it.
    unsafe { *libc::__errno_location() = errno };
    -1
}

fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: the caller's path, passed on to the system as it came.
    let file = unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) };
    int(file)
}

fn int(number: c_long) -> c_int {
    c_int::try_from(number).unwrap_or(-1)
}

/// The path of an open file, as the system names it now.
fn path_of(file: c_int) -> Option<Vec<u8>> {
    let link = CString::new(format!("/proc/self/fd/{file}")).ok()?;
    let mut path = vec![0; 4_096];
    // SAFETY: the link ends with a zero and the buffer is as long as said.
    let len = unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            link.as_ptr(),
            path.as_mut_ptr(),
            path.len(),
        )
    };
    path.truncate(usize::try_from(len).ok()?);
    Some(path)
}

struct About {
    inode: u64,
    len: u64,
    is_folder: bool,
}

fn about(file: c_int) -> Option<About> {
    // SAFETY: all zeros is a value of this plain structure, which the system fills.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the one that the call fills.
    let done = unsafe { libc::fstat(file, &raw mut stat) };
    (done == 0).then(|| About {
        inode: stat.st_ino,
        len: u64::try_from(stat.st_size).unwrap_or(0),
        is_folder: stat.st_mode & libc::S_IFMT == libc::S_IFDIR,
    })
}

/// The bytes of a path argument, made absolute.
fn absolute(path: *const c_char) -> Vec<u8> {
    // SAFETY: a path argument of C ends with a zero.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    if path.first() == Some(&b'/') {
        return path.to_vec();
    }
    let mut all = vec![0_u8; 4_096];
    // SAFETY: the buffer is as long as said.
    let len = unsafe { libc::syscall(libc::SYS_getcwd, all.as_mut_ptr(), all.len()) };
    all.truncate(usize::try_from(len).unwrap_or(1).saturating_sub(1));
    all.push(b'/');
    all.extend_from_slice(path);
    all
}

fn exists(folder: c_int, path: *const c_char) -> bool {
    // SAFETY: the caller's path, passed on to the system as it came.
    let seen = unsafe { libc::syscall(libc::SYS_faccessat, folder, path, libc::F_OK) };
    seen == 0
}

fn opened(folder: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    let is_watched = |watched: &&Watched| watched.has(&absolute(path));
    let Some(watched) = watched().filter(is_watched) else {
        return open_at(folder, path, flags, mode);
    };
    let mut state = watched.lock();
    let writes = flags & (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT) != 0;
    if writes && let Verdict::Fail(errno) = watched.on_change(&mut state) {
        return int(fail(errno));
    }
    let is_new = flags & libc::O_CREAT != 0 && !exists(folder, path);
    let file = open_at(folder, path, flags, mode);
    if 0 <= file
        && let Some(about) = about(file)
        && !about.is_folder
    {
        let kind = if is_new { kind::MADE } else { kind::OPEN };
        watched.note(kind, about.inode, 0, &absolute(path), &[]);
        if !is_new && flags & libc::O_TRUNC != 0 {
            watched.note(kind::TRUNCATE, about.inode, 0, &[], &[]);
        }
    }
    file
}

/// Writes at a place, or where the file stands.
fn written(file: c_int, bytes: &[u8], at: Option<i64>) -> isize {
    let write = |bytes: &[u8]| -> isize {
        // SAFETY: the caller's bytes and file, passed on to the system as they came.
        let len = unsafe {
            match at {
                None => libc::syscall(libc::SYS_write, file, bytes.as_ptr(), bytes.len()),
                Some(at) => {
                    libc::syscall(libc::SYS_pwrite64, file, bytes.as_ptr(), bytes.len(), at)
                }
            }
        };
        isize::try_from(len).unwrap_or(-1)
    };
    let Some(watched) = watched() else { return write(bytes) };
    let Some(path) = path_of(file).filter(|path| watched.has(path)) else { return write(bytes) };
    let mut state = watched.lock();
    let Some(about) = about(file).filter(|about| !about.is_folder) else { return write(bytes) };
    let place = at.unwrap_or_else(|| {
        // SAFETY: asks where an open file stands.
        let (flags, at) = unsafe {
            (
                libc::syscall(libc::SYS_fcntl, file, libc::F_GETFL),
                libc::syscall(libc::SYS_lseek, file, 0, libc::SEEK_CUR),
            )
        };
        let appends = int(flags) & libc::O_APPEND != 0;
        if appends { i64::try_from(about.len).unwrap_or(0) } else { at }
    });
    let place = u64::try_from(place).unwrap_or(0);
    let growth = (place + bytes.len() as u64).saturating_sub(about.len);
    match watched.on_write(&mut state, growth) {
        Verdict::Fail(errno) => isize::try_from(fail(errno)).unwrap_or(-1),
        Verdict::Tear => {
            let _half = write(bytes.get(..bytes.len() / 2).unwrap_or_default());
            die()
        }
        Verdict::Go => {
            let len = write(bytes);
            if let Some(done) = usize::try_from(len).ok().and_then(|len| bytes.get(..len)) {
                watched.note(kind::WRITE, about.inode, place, &path, done);
            }
            len
        }
    }
}

fn synced(file: c_int, call: c_long) -> c_int {
    // SAFETY: the caller's file, passed on to the system as it came.
    let sync = || int(unsafe { libc::syscall(call, file) });
    let Some(watched) = watched() else { return sync() };
    let Some(path) = path_of(file).filter(|path| watched.has(path)) else { return sync() };
    let mut state = watched.lock();
    if let Verdict::Fail(errno) = watched.on_sync(&mut state) {
        if let Some(about) = about(file).filter(|about| !about.is_folder) {
            watched.note(kind::SYNC_FAILED, about.inode, 0, &path, &[]);
        }
        return int(fail(errno));
    }
    let done = sync();
    if done == 0
        && let Some(about) = about(file)
    {
        let kind = if about.is_folder { kind::SYNC_FOLDER } else { kind::SYNC };
        watched.note(kind, about.inode, 0, &path, &[]);
    }
    done
}

fn cut(file: c_int, len: i64) -> c_int {
    // SAFETY: the caller's file, passed on to the system as it came.
    let truncate = || int(unsafe { libc::syscall(libc::SYS_ftruncate, file, len) });
    let Some(watched) = watched() else { return truncate() };
    if !path_of(file).is_some_and(|path| watched.has(&path)) {
        return truncate();
    }
    let mut state = watched.lock();
    let wanted = u64::try_from(len).unwrap_or(0);
    let growth = wanted.saturating_sub(about(file).map_or(0, |about| about.len));
    match watched.on_write(&mut state, growth) {
        Verdict::Fail(errno) => return int(fail(errno)),
        Verdict::Tear => die(),
        Verdict::Go => {}
    }
    let done = truncate();
    if done == 0
        && let Some(about) = about(file)
    {
        watched.note(kind::TRUNCATE, about.inode, wanted, &[], &[]);
    }
    done
}

/// Does what changes a name, and writes it down.
fn named(kind: u8, path: *const c_char, other: *const c_char, call: impl Fn() -> c_long) -> c_int {
    let Some(watched) = watched().filter(|watched| watched.has(&absolute(path))) else {
        return int(call());
    };
    let mut state = watched.lock();
    if let Verdict::Fail(errno) = watched.on_change(&mut state) {
        return int(fail(errno));
    }
    let done = int(call());
    if done == 0 {
        let other = if other.is_null() { Vec::new() } else { absolute(other) };
        watched.note(kind, 0, 0, &absolute(path), &other);
    }
    done
}

// The functions of C. Each is called by C's rules with arguments that C's own would take.

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    opened(libc::AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    opened(libc::AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    opened(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    opened(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn write(file: c_int, bytes: *const c_void, len: usize) -> isize {
    written(file, slice(bytes, len), None)
}

#[unsafe(no_mangle)]
extern "C" fn pwrite(file: c_int, bytes: *const c_void, len: usize, at: i64) -> isize {
    written(file, slice(bytes, len), Some(at))
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(file: c_int, bytes: *const c_void, len: usize, at: i64) -> isize {
    written(file, slice(bytes, len), Some(at))
}

#[unsafe(no_mangle)]
extern "C" fn writev(file: c_int, parts: *const libc::iovec, count: c_int) -> isize {
    let is_watched =
        watched().is_some_and(|watched| path_of(file).is_some_and(|path| watched.has(&path)));
    if !is_watched {
        // SAFETY: the caller's parts and file, passed on to the system as they came.
        let len = unsafe { libc::syscall(libc::SYS_writev, file, parts, count) };
        return isize::try_from(len).unwrap_or(-1);
    }
    let mut total = 0;
    for number in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller says that there are `count` parts.
        let part = unsafe { &*parts.add(number) };
        let len = written(file, slice(part.iov_base, part.iov_len), None);
        if len < 0 {
            return if 0 < total { total } else { len };
        }
        total += len;
        if usize::try_from(len) != Ok(part.iov_len) {
            break;
        }
    }
    total
}

fn slice<'a>(bytes: *const c_void, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller says that there are so many bytes, and keeps them during the call.
    unsafe { std::slice::from_raw_parts(bytes.cast(), len) }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    synced(file, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    synced(file, libc::SYS_fdatasync)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(file: c_int, len: i64) -> c_int {
    cut(file, len)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(file: c_int, len: i64) -> c_int {
    cut(file, len)
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    named(kind::RENAME, from, to, || {
        let here = libc::AT_FDCWD;
        // SAFETY: the caller's paths, passed on to the system as they came.
        unsafe { libc::syscall(libc::SYS_renameat2, here, from, here, to, 0) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    named(kind::LINK, from, to, || {
        // SAFETY: the caller's paths, passed on to the system as they came.
        unsafe { libc::syscall(libc::SYS_linkat, from_folder, from, to_folder, to, flags) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    named(kind::UNLINK, path, std::ptr::null(), || {
        // SAFETY: the caller's path, passed on to the system as it came.
        unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: c_int) -> c_int {
    named(kind::MAKE_FOLDER, path, std::ptr::null(), || {
        // SAFETY: the caller's path, passed on to the system as it came.
        unsafe { libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode) }
    })
}
