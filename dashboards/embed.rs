//! The pages, built by Vite and embedded.
//!
//! In: the path of a request. Out: the file's bytes in each encoding it was built in, its
//! type, and a tag that changes when the bytes do.
//!
//! Not here: which encoding a client takes, caching rules, and what an unknown path gets
//! (`gateway::web`).

use std::borrow::Cow;

use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Web;

/// One file of the pages.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The file as it is.
    pub bytes: Cow<'static, [u8]>,
    /// The same file compressed with Brotli, where that is worth it.
    pub brotli: Option<Cow<'static, [u8]>>,
    /// The same file compressed with gzip, where that is worth it.
    pub gzip: Option<Cow<'static, [u8]>>,
    /// For the `ETag` header, with its quotes; weak, since it stands for all encodings.
    pub etag: String,
    /// For the `Content-Type` header.
    pub content_type: &'static str,
    /// Whether the name holds a hash of the bytes, so that a client may keep it for ever.
    pub immutable: bool,
}

/// Returns the file at `path`, written without a leading slash (`index.html`,
/// `assets/index-3f2a.js`).
///
/// The compressed forms are no files of their own: asking for `x.js.br` gives `None`.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    if path.ends_with(".br") || path.ends_with(".gz") {
        return None;
    }
    let file = Web::get(path)?;
    Some(Asset {
        etag: etag(&file),
        content_type: content_type(path),
        immutable: path.starts_with("assets/"),
        brotli: Web::get(&format!("{path}.br")).map(|file| file.data),
        gzip: Web::get(&format!("{path}.gz")).map(|file| file.data),
        bytes: file.data,
    })
}

/// Returns the paths of all files, without their compressed forms, in no order.
pub fn paths() -> impl Iterator<Item = Cow<'static, str>> {
    Web::iter().filter(|path| !path.ends_with(".br") && !path.ends_with(".gz"))
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    // Eight bytes: enough to tell two builds apart, short enough for every request.
    let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{hex}\"")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_is_there_and_is_html() {
        let page = asset("index.html").expect("every build has a first page");

        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(page.bytes.starts_with(b"<!doctype html>"));
        assert!(!page.immutable);
    }

    #[test]
    fn a_compressed_form_is_no_file_of_its_own() {
        let compressed = paths().filter(|path| asset(path).is_some_and(|file| file.gzip.is_some()));

        for path in compressed {
            assert!(asset(&format!("{path}.gz")).is_none(), "{path}.gz is served by itself");
        }
    }

    #[test]
    fn an_unknown_path_is_none() {
        assert!(asset("no/such/file.js").is_none());
        assert!(asset("").is_none());
    }
}
