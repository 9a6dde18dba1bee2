//! Files that were cut short, at any length.
//!
//! A file system that was mended may hand back a file without its end, or an empty one. Then
//! as ever: a reading that comes back is one that was sent, and what does not come back is
//! told, or the store does not open and says so.

use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::flip_tests::{Outcome, files_of, furnish, memory, outcome};
use super::*;

/// A store to be cut, made once: it takes as long as fifty cuts.
fn whole() -> TempDir {
    let dir = TempDir::new_in(memory()).unwrap();
    furnish(dir.path());
    dir
}

fn copy(from: &Path) -> TempDir {
    let place = TempDir::new_in(memory()).unwrap();
    std::fs::create_dir_all(place.path().join(MONTHS_FOLDER)).unwrap();
    for name in files_of(from) {
        std::fs::copy(from.join(&name), place.path().join(&name)).unwrap();
    }
    place
}

#[test]
fn a_file_that_was_cut_short_at_any_length_makes_no_reading_and_hides_none() {
    let made = whole();
    let data = made.path().join("data");
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.max_shrink_iters = 64;
    // Each is a store, opened and read and checked as a whole.
    config.cases /= 2;
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let files: Vec<_> =
        files_of(&data).into_iter().filter(|file| !file.ends_with("main.db-wal")).collect();
    assert!(2 <= files.len(), "a main file and a month: {files:?}");

    // The ends of pages are where a cut is hardest to see.
    const PAGE: u64 = super::database::PAGE_BYTES.unsigned_abs();
    let lengths = prop_oneof![Just(0.0), 0.0..1.0_f64, Just(1.0)];
    let cuts = (0..files.len(), lengths, any::<bool>());
    let run = runner.run(&cuts, |(at, share, at_page)| {
        let place = copy(&data);
        let path = place.path().join(&files[at]);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let whole = file.metadata().unwrap().len();
        let share = (share * 1e6).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e6")]
        let length = whole * (share as u64) / 1_000_000;
        let length = if at_page { length / PAGE * PAGE } else { length };
        file.set_len(length).unwrap();

        let came = outcome(place.path());

        prop_assert!(length < whole || came == Outcome::Whole, "{came:?}");
        prop_assert!(at != 0 || 0 < length || came == Outcome::Refused, "{came:?}");
        Ok(())
    });

    run.unwrap();
}
