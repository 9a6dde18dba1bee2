//! Where readings also go, and how far each target has come.
//!
//! In: a position that a target has reached, and the lines that it refused.
//! Out: the position to go on from, the refused lines.
//!
//! A position moves only after the target has taken everything before it, in one
//! transaction with the lines that it refused: a crash repeats, and never skips.
//!
//! Not here: what lies beyond a position (`series::feed`), how a target is spoken to.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::database::Database;
use super::error::{During, StoreError};
use super::series::{Owed, Place, Position};

/// The most refused lines kept.
pub const REFUSED_MAX: i64 = 10_000;

/// The most bytes kept of one refused line and of its reason; ours are under a kilobyte.
const LINE_BYTES_MAX: usize = 4_096;

/// The targets of a store.
#[derive(Clone, Debug)]
pub struct Targets {
    database: Arc<Database>,
}

/// How far a target has come, and what it took on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where to go on.
    pub position: Position,
    /// Lines that it took, ever.
    pub lines: u64,
    /// Lines that it refused, ever.
    pub refused: u64,
}

/// A line that a target does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the target said.
    pub reason: String,
    /// The line, as it was sent.
    pub line: String,
}

impl Targets {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Returns how far a target has come; a new one is at the beginning of everything.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn progress(&self, target: &str) -> Result<Progress, StoreError> {
        const DURING: &str = "read how far a target has come";
        self.database.read(DURING, |tx| {
            let row = tx
                .query_row(
                    "SELECT seq, owed_since, owed_month, owed_generation, owed_at, owed_next,
                     lines, refused FROM target WHERE name = ?1",
                    params![target],
                    |row| {
                        let at: Option<i64> = row.get(4)?;
                        let place = match (row.get(2)?, row.get(3)?) {
                            (Some(month), Some(generation)) => {
                                Place::Month { month, generation, after: at }
                            }
                            _ => Place::Blocks { after: at },
                        };
                        let since: Option<i64> = row.get(1)?;
                        let owed = since.map(|since| Owed { since, place });
                        Ok(Progress {
                            position: Position { seq: row.get(0)?, owed, owed_next: row.get(5)? },
                            lines: row.get::<_, i64>(6)?.unsigned_abs(),
                            refused: row.get::<_, i64>(7)?.unsigned_abs(),
                        })
                    },
                )
                .optional()
                .during(DURING)?;
            Ok(row.unwrap_or_default())
        })
    }

    /// Moves a target on: it has taken everything before `position`, `lines` of it since
    /// the last move, and does not take `refused`. On the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::DiskFull`] and others; the target then stands where it stood.
    pub fn moved(
        &self,
        target: &str,
        position: &Position,
        lines: u64,
        refused: &[Refused],
        now: i64,
    ) -> Result<(), StoreError> {
        const DURING: &str = "write how far a target has come";
        let owed = position.owed;
        let (month, generation, at) = match owed.map(|owed| owed.place) {
            None => (None, None, None),
            Some(Place::Blocks { after }) => (None, None, after),
            Some(Place::Month { month, generation, after }) => {
                (Some(month), Some(generation), after)
            }
        };
        self.database.write(DURING, |tx| {
            tx.prepare_cached(
                "INSERT INTO target (name, seq, owed_since, owed_month, owed_generation, owed_at,
                 owed_next, lines, refused, moved) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (name) DO UPDATE SET seq = ?2, owed_since = ?3, owed_month = ?4,
                 owed_generation = ?5, owed_at = ?6, owed_next = ?7, lines = lines + ?8,
                 refused = refused + ?9, moved = ?10",
            )
            .during(DURING)?
            .execute(params![
                target,
                position.seq,
                owed.map(|owed| owed.since),
                month,
                generation,
                at,
                position.owed_next,
                as_i64(lines),
                as_i64(refused.len() as u64),
                now,
            ])
            .during(DURING)?;
            for Refused { reason, line } in refused {
                tx.prepare_cached(
                    "INSERT INTO refused (target, at, reason, line) VALUES (?1, ?2, ?3, ?4)",
                )
                .during(DURING)?
                .execute(params![target, now, cut(reason), cut(line)])
                .during(DURING)?;
            }
            if !refused.is_empty() {
                let bound = "DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1";
                tx.execute(bound, params![REFUSED_MAX]).during(DURING)?;
            }
            Ok(())
        })
    }

    /// Forgets a target: it begins anew.
    ///
    /// # Errors
    ///
    /// As [`Targets::moved`].
    pub fn forget(&self, target: &str) -> Result<(), StoreError> {
        const DURING: &str = "forget a target";
        self.database.write(DURING, |tx| {
            tx.execute("DELETE FROM target WHERE name = ?1", params![target]).during(DURING)?;
            Ok(())
        })
    }

    /// Returns the newest lines that a target refused, newest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn refused(&self, target: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
        const DURING: &str = "read what a target refused";
        self.database.read(DURING, |tx| {
            let sql =
                "SELECT reason, line FROM refused WHERE target = ?1 ORDER BY id DESC LIMIT ?2";
            let mut query = tx.prepare_cached(sql).during(DURING)?;
            let rows = query
                .query_map(params![target, limit], |row| {
                    Ok(Refused { reason: row.get(0)?, line: row.get(1)? })
                })
                .during(DURING)?;
            rows.collect::<rusqlite::Result<_>>().during(DURING)
        })
    }
}

/// Returns the text as far as it is kept, cut between characters.
fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(LINE_BYTES_MAX);
    text.get(..end).unwrap_or(text)
}

fn as_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_position_is_read_back_as_it_was_written() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let targets = store.targets();
        let places = [
            Place::Blocks { after: None },
            Place::Blocks { after: Some(-3) },
            Place::Month { month: 24_310, generation: 2, after: None },
            Place::Month { month: 24_310, generation: 2, after: Some(77) },
        ];

        assert_eq!(targets.progress("a").unwrap(), Progress::default());
        for place in places {
            let owed = Some(Owed { since: 5, place });
            let position = Position { seq: 9, owed, owed_next: Some(8) };
            targets.moved("a", &position, 2, &[], 1).unwrap();

            assert_eq!(targets.progress("a").unwrap().position, position);
        }
        assert_eq!(targets.progress("a").unwrap().lines, 8);
        assert_eq!(targets.progress("b").unwrap(), Progress::default());
        targets.forget("a").unwrap();
        assert_eq!(targets.progress("a").unwrap(), Progress::default());
    }

    #[test]
    fn refused_lines_are_bounded_and_all_are_counted() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let refused = |n: i64| Refused { reason: "no".to_owned(), line: n.to_string() };
        let many: Vec<Refused> = (0..REFUSED_MAX + 5).map(refused).collect();

        store.targets().moved("a", &Position::default(), 0, &many, 1).unwrap();

        let kept = store.targets().refused("a", u32::MAX).unwrap();
        assert_eq!(kept.len(), usize::try_from(REFUSED_MAX).unwrap());
        assert_eq!(kept[0].line, (REFUSED_MAX + 4).to_string());
        assert_eq!(store.targets().progress("a").unwrap().refused, many.len() as u64);
    }
}
