//! The pages, as they were built into the binary.
//!
//! Files with a hash in their name may be kept for ever; the page itself is asked for each
//! time and mostly answered with "not modified". A path without a dot is the page's own
//! business and gets the page; a missing file stays missing, since a script that turns out
//! to be a page is a riddle for whoever debugs it.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dashboards::Asset;

use super::error::ApiError;

const PAGE: &str = "index.html";

/// Answers a path that is no route: with a file, with the page, or not at all.
pub(crate) async fn serve_page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return ApiError::NotFound { what: "route" }.into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let found = match dashboards::asset(path) {
        Some(asset) => Some(asset),
        None if is_file || path.starts_with("assets/") => None,
        None => dashboards::asset(PAGE),
    };
    match found {
        Some(asset) => send(asset, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn send(asset: Asset, request: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let keep = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, etag);
    }
    if is_known(&asset.etag, request) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let accepts = |encoding: &str| accepts(encoding, request);
    let (bytes, encoding) = match (asset.brotli, asset.gzip) {
        (Some(brotli), _) if accepts("br") => (brotli, Some("br")),
        (_, Some(gzip)) if accepts("gzip") => (gzip, Some("gzip")),
        (_, _) => (asset.bytes, None),
    };
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let body = match bytes {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    (headers, Body::from(body)).into_response()
}

/// Returns whether the client has these very bytes already. Weak comparison, as
/// RFC 9110, 13.1.2 wants it here.
fn is_known(etag: &str, request: &HeaderMap) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = request.get_all(header::IF_NONE_MATCH);
    known
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.trim() == "*" || value.split(',').any(|tag| strong(tag) == strong(etag)))
}

/// Returns whether the client takes an encoding: it is named, and not with weight zero.
fn accepts(encoding: &str, request: &HeaderMap) -> bool {
    let accepted = request.get_all(header::ACCEPT_ENCODING);
    accepted.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = weight.trim().trim_start_matches("q=");
            name.trim().eq_ignore_ascii_case(encoding)
                && weight.parse::<f32>().is_ok_and(|weight| 0.0 < weight)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    async fn get(path: &'static str, headers: HeaderMap) -> Response {
        serve_page(Method::GET, Uri::from_static(path), headers).await
    }

    #[tokio::test]
    async fn a_path_of_the_pages_gets_the_page_and_a_missing_file_does_not() {
        let page = get("/meters/office-main", HeaderMap::new()).await;
        let file = get("/assets/no-such-file.js", HeaderMap::new()).await;
        let route = get("/api/v1/no-such-route", HeaderMap::new()).await;

        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(file.status(), StatusCode::NOT_FOUND);
        assert_eq!(route.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_page_that_the_client_has_is_not_sent_again() {
        let first = get("/", HeaderMap::new()).await;
        let etag = first.headers()[header::ETAG].clone();

        let again = get("/", HeaderMap::from_iter([(header::IF_NONE_MATCH, etag)])).await;

        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn an_encoding_with_weight_zero_is_not_accepted() {
        let name = header::ACCEPT_ENCODING;

        assert!(accepts("br", &headers(name.clone(), "gzip, deflate, br")));
        assert!(accepts("gzip", &headers(name.clone(), "gzip;q=0.5")));
        assert!(!accepts("br", &headers(name.clone(), "gzip, br;q=0")));
        assert!(!accepts("br", &headers(name, "gzip")));
        assert!(!accepts("br", &HeaderMap::new()));
    }
}
