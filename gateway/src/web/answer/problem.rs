//! What a request that could not be answered gets instead.

use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not answered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status, again, for clients that lose it.
    pub status: u16,
    /// A word that programs may test; it never changes.
    pub code: String,
    /// One sentence for a person, in the language of `Accept-Language`.
    pub message: String,
    /// Every mistake of a refused site book, in order of its lines; empty otherwise.
    pub mistakes: Vec<Mistake>,
}

/// One mistake in a site book.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Mistake {
    /// Line, counted from 1.
    pub line: usize,
    /// The key it concerns, as in `meter[3].area`; empty where it is the line itself.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}
