//! Users and their sessions. Passwords and tokens come in as hashes only.

use rusqlite::{Row, params};

use super::{JournalTx, JournalView};
use crate::store::error::StoreError;

/// A user to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The name to log in with; unique.
    pub name: String,
    /// `caretaker`, `engineer`, `leader`, `auditor`.
    pub role: String,
    /// `zh-CN` or `en`.
    pub language: String,
    /// Where mails go.
    pub email: Option<String>,
    /// The argon2 hash with its parameters (PHC string).
    pub password_hash: String,
    /// When the user was added, Unix seconds.
    pub created: i64,
}

/// A stored user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Grows with each user.
    pub id: i64,
    /// The user.
    pub user: NewUser,
    /// When the user was locked out, Unix seconds.
    pub disabled: Option<i64>,
}

const USERS: &str = "SELECT user.id, name, role, language, email, password_hash, user.created,
    disabled FROM user";

impl JournalView<'_> {
    /// Returns every user, also those locked out, in order of name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        self.rows("list users", &format!("{USERS} ORDER BY name"), (), user)
    }

    /// Returns the user with this name, also if locked out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn user(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        self.row("read a user", &format!("{USERS} WHERE name = ?1"), params![name], user)
    }

    /// Returns whether anybody was ever added: before that, the first-run page is open.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn has_users(&self) -> Result<bool, StoreError> {
        Ok(self.row("look for users", "SELECT 1 FROM user LIMIT 1", (), |_| Ok(()))?.is_some())
    }

    /// Returns the user of a session that has not expired by `now`; never one who is
    /// locked out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the row is not what was once written.
    pub fn session_user(&self, token_hash: &[u8], now: i64) -> Result<Option<UserRow>, StoreError> {
        let sql = format!(
            "{USERS} JOIN session ON session.user = user.id
             WHERE token_hash = ?1 AND ?2 < expires AND disabled IS NULL"
        );
        self.row("read a session", &sql, params![token_hash, now], user)
    }
}

impl JournalTx<'_> {
    /// Adds a user; returns the id, or `None` if the name is taken.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn add_user(&mut self, new: &NewUser) -> Result<Option<i64>, StoreError> {
        if self.user(&new.name)?.is_some() {
            return Ok(None);
        }
        let id = self.insert(
            "add a user",
            "INSERT INTO user (name, role, language, email, password_hash, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![new.name, new.role, new.language, new.email, new.password_hash, new.created],
        )?;
        Ok(Some(id))
    }

    /// Adds the first user; returns `None` if there is one already, whoever was quicker.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn add_first_user(&mut self, new: &NewUser) -> Result<Option<i64>, StoreError> {
        if self.has_users()? { Ok(None) } else { self.add_user(new) }
    }

    /// Changes what may change of a user: role, language, mail address and password;
    /// the name stays. Returns whether there is such a user.
    ///
    /// A new password ends the user's sessions.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn change_user(&mut self, change: &NewUser) -> Result<bool, StoreError> {
        const DURING: &str = "change a user";
        let Some(before) = self.user(&change.name)? else { return Ok(false) };
        self.execute(
            DURING,
            "UPDATE user SET role = ?2, language = ?3, email = ?4, password_hash = ?5
             WHERE id = ?1",
            params![before.id, change.role, change.language, change.email, change.password_hash],
        )?;
        if before.user.password_hash != change.password_hash {
            self.execute(DURING, "DELETE FROM session WHERE user = ?1", params![before.id])?;
        }
        Ok(true)
    }

    /// Locks a user out, or in again (`None`), and ends the user's sessions. Users are
    /// never removed: their names stand in the audit log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn disable_user(&mut self, id: i64, since: Option<i64>) -> Result<(), StoreError> {
        const DURING: &str = "lock a user out";
        self.execute(DURING, "UPDATE user SET disabled = ?2 WHERE id = ?1", params![id, since])?;
        self.execute(DURING, "DELETE FROM session WHERE user = ?1", params![id])?;
        Ok(())
    }

    /// Opens a session until `expires`, and forgets the expired ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if there is no such user, or with the cause.
    pub fn open_session(
        &mut self,
        token_hash: &[u8],
        user: i64,
        now: i64,
        expires: i64,
    ) -> Result<(), StoreError> {
        const DURING: &str = "open a session";
        self.execute(DURING, "DELETE FROM session WHERE expires <= ?1", params![now])?;
        self.execute(
            DURING,
            "INSERT INTO session (token_hash, user, created, expires) VALUES (?1, ?2, ?3, ?4)",
            params![token_hash, user, now, expires],
        )?;
        Ok(())
    }

    /// Lets a session live until `expires`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn extend_session(&mut self, token_hash: &[u8], expires: i64) -> Result<(), StoreError> {
        self.execute(
            "extend a session",
            "UPDATE session SET expires = ?2 WHERE token_hash = ?1",
            params![token_hash, expires],
        )?;
        Ok(())
    }

    /// Ends a session; that there is none is fine.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn close_session(&mut self, token_hash: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "close a session",
            "DELETE FROM session WHERE token_hash = ?1",
            params![token_hash],
        )?;
        Ok(())
    }
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: row.get(0)?,
        user: NewUser {
            name: row.get(1)?,
            role: row.get(2)?,
            language: row.get(3)?,
            email: row.get(4)?,
            password_hash: row.get(5)?,
            created: row.get(6)?,
        },
        disabled: row.get(7)?,
    })
}
