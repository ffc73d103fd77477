//! The dashboard: a web app over the API, embedded in the program.
//!
//! It promises to be whole: what a page needs is in here, compressed when the program was built, and nothing is asked
//! from elsewhere. How it is served is the server's affair; what a browser may do with it is said here ([`POLICY`]).
//!
//! The app itself is in `web/`, and `build/` builds it. To add a page: 1. its component in `web/src/pages`; 2. its line
//! in `web/src/routes.ts` and in `web/src/pages/index.ts`; 3. its address in [`ROUTES`]; 4. its visit in `web/tests`.

/// A file of the app.
#[derive(Debug)]
pub struct Asset {
    /// Below the root, with no slash in front: `assets/index-B3dQ.js`.
    pub path: &'static str,
    pub media_type: &'static str,
    /// Names the content, in quotes, as the header `ETag` has it.
    pub etag: &'static str,
    /// Whether the name changes with the content, so that it may be kept for ever.
    pub is_immutable: bool,
    identity: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

/// Addresses of pages, in axum's notation. Each is answered with [`page`], and the app does the rest.
pub const ROUTES: &[&str] = &[
    "/",
    "/events",
    "/events/{id}",
    "/deliveries",
    "/deliveries/{id}",
    "/subscriptions",
    "/subscriptions/{id}",
    "/sources",
    "/sources/{id}",
    "/connections",
    "/connections/{id}",
    "/inbox",
    "/inbox/{id}",
    "/emails",
    "/emails/{id}",
    "/alerts",
    "/jobs",
    "/jobs/{id}",
    "/rejections",
    "/rejections/{id}",
    "/queues",
    "/event-types",
    "/event-types/{type}",
    "/keys",
];

/// Where links that sign in lead. It is a page like the others, except that the server looks at what is in its query.
pub const SIGN_IN: &str = "/sign-in";

/// Addresses of the portal: the same pages for one user, who comes with a token.
pub const PORTAL_ROUTES: &[&str] = &["/portal", "/portal/{page}", "/portal/{page}/{id}"];

/// What a browser may do with a page: run and show what is ours, talk to us, and nothing else. There are no exceptions.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The same, for the portal: pages of these origins may hold it in a frame.
#[must_use]
pub fn portal_policy(allowed_origins: &[String]) -> String {
    let who = if allowed_origins.is_empty() { "'none'".to_owned() } else { allowed_origins.join(" ") };
    POLICY.replace("frame-ancestors 'none'", &format!("frame-ancestors {who}"))
}

/// The one HTML document.
///
/// # Panics
/// Never: the build has put it there.
#[must_use]
pub fn page() -> &'static Asset {
    asset("index.html").expect("every build has it")
}

/// The file at `path`, which has no slash in front.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    FILES.iter().find(|asset| asset.path == path)
}

/// Every file.
pub fn assets() -> impl Iterator<Item = &'static Asset> {
    FILES.iter()
}

impl Asset {
    /// The form for somebody who says `accepted` in `Accept-Encoding`, with the name of its encoding.
    #[must_use]
    pub fn encoded(&self, accepted: &str) -> (Option<&'static str>, &'static [u8]) {
        let forms = [("br", self.brotli), ("gzip", self.gzip)];
        let wanted = forms
            .into_iter()
            .find_map(|(name, bytes)| Some((name, bytes?)).filter(|_| accepts(accepted, name)));
        wanted.map_or((None, self.identity), |(name, bytes)| (Some(name), bytes))
    }
}

/// Whether `Accept-Encoding` names `encoding`, and not with a weight of nothing (RFC 9110, 12.5.3).
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().trim_start_matches("q=").trim_matches(['0', '.']);
        name.trim().eq_ignore_ascii_case(encoding) && (!part.contains(';') || !weight.is_empty())
    })
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// What may be sent for the whole app, compressed with gzip.
    const BYTES_MAX: usize = 120 * 1_024;

    #[test]
    fn all_of_it_is_small() {
        let bytes: usize = assets().map(|asset| asset.encoded("gzip").1.len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn a_compressed_form_is_the_same_file() {
        for asset in assets() {
            let (encoding, bytes) = asset.encoded("deflate, gzip");
            if encoding.is_some() {
                let mut inflated = Vec::new();
                flate2::read::GzDecoder::new(bytes).read_to_end(&mut inflated).unwrap();
                assert_eq!(inflated, asset.identity, "{}", asset.path);
            }
        }
    }

    #[test]
    fn the_encoding_is_one_that_is_accepted() {
        let asset = Asset {
            path: "a",
            media_type: "text/css",
            etag: "",
            is_immutable: true,
            identity: b"identity",
            gzip: Some(b"gzip"),
            brotli: Some(b"br"),
        };
        assert_eq!(asset.encoded("gzip, deflate, br, zstd"), (Some("br"), &b"br"[..]));
        assert_eq!(asset.encoded("GZIP;q=0.5, br;q=0"), (Some("gzip"), &b"gzip"[..]));
        assert_eq!(asset.encoded("br;q=0.0, gzip; q=0.000"), (None, &b"identity"[..]));
        assert_eq!(asset.encoded("brotli"), (None, &b"identity"[..]));
        assert_eq!(asset.encoded(""), (None, &b"identity"[..]));
    }

    #[test]
    fn the_portal_may_be_framed_by_those_who_are_named() {
        assert_eq!(portal_policy(&[]), POLICY);
        let policy = portal_policy(&["https://a.test".to_owned(), "https://b.test:81".to_owned()]);
        assert!(policy.ends_with("frame-ancestors https://a.test https://b.test:81"), "{policy}");
    }

    #[test]
    fn the_page_holds_no_script_or_style_of_its_own() {
        let page = String::from_utf8_lossy(page().identity);
        for forbidden in ["<style", " style=", "<script>", " onclick", "javascript:", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(!POLICY.contains("unsafe"));
    }
}
