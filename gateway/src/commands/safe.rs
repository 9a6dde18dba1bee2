//! `backup` and `restore`: everything the gateway keeps, into a folder and back.

use std::path::Path;

use anyhow::Result;

use super::say;
use crate::config::Config;
use crate::store::{Backup, Progress, Store};

/// Below this nobody needs to see how far it has come, bytes.
const QUIET_BYTES: u64 = 64 << 20;

/// Copies the store into a new folder, and checks the copy.
pub(super) fn backup(config: &Path, to: &Path) -> Result<()> {
    let data_dir = Config::load(config)?.data_dir;
    say(format!("backing up `{}` into `{}`", data_dir.display(), to.display()));
    let made = Store::backup(&data_dir, to, None, &mut each_tenth())?;
    say(format!("done: {}, read back and compared", told(made)));
    Ok(())
}

/// Puts a backup back into the data directory.
pub(super) fn restore(config: &Path, from: &Path) -> Result<()> {
    let data_dir = Config::load(config)?.data_dir;
    say(format!("putting `{}` back into `{}`", from.display(), data_dir.display()));
    let put = Store::restore(from, &data_dir, &mut each_tenth())?;
    say(format!("done: {}; the gateway can be started", told(put)));
    Ok(())
}

fn told(backup: Backup) -> String {
    format!("{} files, {}", backup.files, size(backup.bytes))
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{} KiB", bytes.div_ceil(1 << 10))
    } else {
        format!("{} MiB", bytes.div_ceil(1 << 20))
    }
}

/// Says how far long work has come, each time another tenth is done.
fn each_tenth() -> impl FnMut(Progress) {
    let mut said = 0;
    move |Progress { done, whole }| {
        let tenth = done.saturating_mul(10).checked_div(whole).unwrap_or(10);
        if QUIET_BYTES <= whole && said < tenth {
            said = tenth;
            say(format!("{} of {}", size(done), size(whole)));
        }
    }
}
