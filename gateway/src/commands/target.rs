//! `export --to influx`: everything that the store has, to an InfluxDB, from the terminal.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::{runtime, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::influx::{self, Client, Exported, Labels};
use crate::ledger::Ledger;
use crate::run;
use crate::store::Store;

/// How often progress is printed, s.
const SAY_EVERY_S: i64 = 2;

/// Sends all readings, then the sums of all days; goes on where it was interrupted.
pub(super) fn export(config: &Path, clock: &Clock) -> Result<()> {
    let config = Config::load(config)?;
    let influx = config.influx.context("there is no `[influx]` in the configuration")?;
    let store = Store::open(&config.data_dir)?;
    let ledger = Ledger::new(&store, clock);
    ledger.reload()?;
    let site = ledger.site().context("there is no site book yet; `gengfu import` takes one in")?;
    let Some(first) = store.series().first_instant() else {
        say("there are no readings yet");
        return Ok(());
    };
    let (Some(first), Some(today)) = (ledger.today(first), ledger.today(clock.now())) else {
        bail!("the clock shows no day that a calendar has");
    };
    let days =
        run::influx::days_of_months(&ledger, first.first_of_month(), today.first_of_month())?;
    let labels = Arc::new(Labels::of(&site));
    let target = influx::target_name(&influx);

    let exported = runtime()?.block_on(async {
        let client = Client::open(&influx, influx::TIMEOUT).await?;
        let version = client.greet().await.map_err(anyhow::Error::msg);
        let version = version.context("InfluxDB cannot be reached; is `url` right?")?;
        say(format!("to {target}, {version}").trim_end_matches([',', ' ']));
        let mut said = clock.now();
        let say_now = |done: Exported| {
            if SAY_EVERY_S <= clock.now() - said {
                said = clock.now();
                say(format!("{} lines", done.lines));
            }
        };
        let exported =
            influx::export((&store, clock), &client, &target, &labels, &days, say_now).await;
        exported.context("not all is there yet; run it again, it goes on from here")
    })?;
    say(format!("{} lines are there", exported.lines));
    if 0 < exported.refused {
        let lines = store.targets().refused(&format!("{target} (export)"), 3)?;
        for refused in lines {
            say(format!("refused: {}\n  {}", refused.reason, refused.line));
        }
        bail!("{} lines were refused; the last of them stand above", exported.refused);
    }
    Ok(())
}
