//! The people of the demo: the first user, and whoever really goes and switches lights off.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use simulator::{Campus, ScriptedEvent, Set};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::store::Store;
use crate::store::journal::{FindingFilter, FindingState, NewUser};
use crate::web::hash_password;

/// Who the visitor logs in as.
pub(super) const FIRST_USER: &str = "demo";

/// How long it takes somebody to walk up and switch the lights off, s of the campus.
const WALK_S: i64 = 300;

/// Makes the visitor's log-in, with a password that nobody else has.
pub(super) fn first_user(store: &Store, now: i64) -> Result<String> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).context("the machine gives no random numbers")?;
    let password = HEXLOWER.encode(&bytes);
    let hash = hash_password(&password)?;
    let user = NewUser {
        name: FIRST_USER.to_owned(),
        role: "engineer".to_owned(),
        language: "zh-CN".to_owned(),
        email: None,
        password_hash: hash,
        created: now,
    };
    store.journal().commit(|journal| {
        if journal.user(FIRST_USER)?.is_some() {
            journal.change_user(&user)?;
        } else {
            journal.add_user(&user)?;
        }
        Ok(())
    })?;
    Ok(password)
}

/// Switches off what the visitor marked as switched off, a few minutes later.
pub(super) async fn play(
    store: Store,
    campus: Arc<Campus>,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let mut done = BTreeSet::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        let store = store.clone();
        let open = FindingFilter { state: FindingState::Open, ..FindingFilter::default() };
        let look = move || store.journal().view(|view| view.findings(&open));
        let Ok(Ok(open)) = tokio::task::spawn_blocking(look).await else { continue };
        for row in open {
            let off = row.mark.as_ref().is_some_and(|mark| mark.mark.kind == "switched_off");
            if off && done.insert(row.id) {
                let set = Set::Lights { on: false, watts: 0 };
                let at = clock.now() + WALK_S;
                // A meter without lights of the script has none to switch off.
                campus.set(ScriptedEvent { at, meter: row.draft.meter, set }).ok();
            }
        }
    }
}
