//! One setting of the C library's memory, which it reads at its own start only.

/// Begins the program anew with few arenas, in the same process, if nobody has said how many.
///
/// glibc gives each thread memory of its own, up to eight for each core, and what one thread
/// gave back another cannot use. Measured, 2,000 meters read each minute, after seven hours
/// of their clock: 158 MiB, with one arena 108. An allocator of another make held 143 and
/// 149.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn with_few_arenas() {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    const SETTING: &str = "MALLOC_ARENA_MAX";
    if env::var_os(SETTING).is_some() {
        return;
    }
    // A program whose file was replaced meanwhile is not found: it goes on as it is.
    let Ok(program) = env::current_exe() else { return };
    // Returns only if it failed; that costs memory and nothing else.
    drop(Command::new(program).args(env::args_os().skip(1)).env(SETTING, "2").exec());
}

/// Elsewhere there is no such setting.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn with_few_arenas() {}
