//! One setting of the C library's memory, which it reads at its own start only.

/// Begins the program anew with one arena, in the same process, if nobody has said how many.
///
/// glibc gives each thread memory of its own, up to eight for each core, and what one thread
/// gave back another cannot use. Measured, 2,000 meters read each minute, after five hours of
/// their clock, with two cores: 102 MiB with two arenas, 98 with one, at the same share of a
/// core (`gengfu bench run --meters 2000 --minutes 5 --speed 60`). An allocator of another make
/// held more than either.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn with_one_arena() {
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
    drop(Command::new(program).args(env::args_os().skip(1)).env(SETTING, "1").exec());
}

/// Elsewhere there is no such setting.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn with_one_arena() {}
