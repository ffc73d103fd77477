//! URLs that users want to have called.

use domain::attempt::ErrorCode;
use domain::limits::URL_BYTES_MAX;
use http::Uri;

use super::fields::Fields;
use crate::app::App;

/// A URL that can be called, in the spelling that counts.
pub(super) fn check_url(url: &str) -> Result<String, String> {
    if url.len() > URL_BYTES_MAX {
        return Err(format!("must be at most {URL_BYTES_MAX} bytes long"));
    }
    let parsed = url::Url::parse(url).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(parsed.scheme(), "https" | "http") {
        return Err("must begin with https://".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("must not hold a user name or password: check the signature instead".to_owned());
    }
    // What an HTTP client makes of it must be what a browser would.
    parsed.as_str().parse::<Uri>().map_err(|error| format!("is no URL: {error}"))?;
    Ok(parsed.as_str().split('#').next().unwrap_or_default().to_owned())
}

/// Refuses a URL whose address could never be called. A name that does not resolve now may do so later.
pub(super) async fn check_address(app: &App, fields: &mut Fields, name: &str, url: Option<&str>) {
    let Some(Ok(uri)) = url.map(str::parse::<Uri>) else { return };
    let checked = app.engine.client.check(&uri).await;
    let advice = "use https:// to a public address, or allow it with WAYSTATION_DELIVERY__ALLOW_HOSTS";
    let refused = match checked {
        Err(failure) if failure.code == ErrorCode::BlockedAddress => {
            format!("{}: {advice}", failure.message)
        }
        Err(failure) if uri.scheme_str() == Some("http") => failure.message,
        _ => return,
    };
    fields.refuse(name, refused);
}
