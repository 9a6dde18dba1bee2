//! The front door: pages, API, live stream.
//!
//! In: HTTP requests of browsers and of Prometheus. Out: answers.
//!
//! Reading order:
//!
//! - [`answer`]: what is answered, field by field;
//! - `error`: why not, and how we say so;
//! - `api`: each route and its handler;
//! - `live`: what happens now, as server-sent events.
//!
//! Not here: arithmetic on energy or money (`analysis`), anything that reads a meter.

pub mod answer;
mod api;
mod error;
mod live;

/// What the handlers need.
#[derive(Clone)]
pub struct WebState;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_contract_is_the_one_that_the_pages_were_built_from() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/openapi.json");
        let written = std::fs::read_to_string(&golden).unwrap_or_default();

        let document = super::api::document();

        if written != document {
            let new = std::env::temp_dir().join("gengfu-openapi.json");
            std::fs::write(&new, document).unwrap();
            panic!("the contract has changed; if that is meant: cp {new:?} {golden:?}");
        }
    }
}
