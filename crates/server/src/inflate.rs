//! Compressed bodies: what they stand for, within a bound.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};

use crate::problem::{Problem, Result};

/// How a body is compressed (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// What a compressed body stands for, at most `bytes_max`; `None` where it is sent as it is.
pub(crate) async fn inflate(headers: &HeaderMap, sent: &Bytes, bytes_max: usize) -> Result<Option<Bytes>> {
    // Almost no request says anything about this.
    if !headers.contains_key(CONTENT_ENCODING) {
        return Ok(None);
    }
    let Some(coding) = coding(headers)? else { return Ok(None) };
    let sent = sent.clone();
    // It takes as long as its sender likes, within the bound, and must not hold up a thread that serves others.
    let inflated = tokio::task::spawn_blocking(move || coding.inflate(&sent, bytes_max)).await;
    inflated.map_err(|_panic| Problem::internal())?.map(Some)
}

/// Several, one over the other, are nobody's habit but a bomb's.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>> {
    let mut named = headers.get_all(CONTENT_ENCODING).iter();
    let only = named.next().filter(|_| named.next().is_none()).and_then(|value| value.to_str().ok());
    match only.unwrap_or("?").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
        "deflate" => Ok(Some(Coding::Deflate)),
        _ => {
            let detail = "a body may be compressed with gzip or deflate, once";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail))
        }
    }
}

impl Coding {
    /// Inflates twice: at first only to count, so that a bomb is found out before any of it is kept.
    fn inflate(self, sent: &[u8], bytes_max: usize) -> Result<Bytes> {
        let broken = |error| Problem::bad_request(format!("the body cannot be inflated: {error}"));
        // One more than may be, to tell what is too long from what just fits.
        let mut counted = self.reader(sent).take(bytes_max as u64 + 1);
        let length = std::io::copy(&mut counted, &mut std::io::sink()).map_err(broken)?;
        let length = usize::try_from(length).ok().filter(|&length| length <= bytes_max);
        let length = length.ok_or_else(|| Problem::too_large(bytes_max))?;
        let mut inflated = Vec::with_capacity(length);
        self.reader(sent).read_to_end(&mut inflated).map_err(broken)?;
        Ok(inflated.into())
    }

    fn reader(self, sent: &[u8]) -> Box<dyn Read + '_> {
        match self {
            Self::Gzip => Box::new(GzDecoder::new(sent)),
            Self::Deflate if has_zlib_head(sent) => Box::new(ZlibDecoder::new(sent)),
            Self::Deflate => Box::new(DeflateDecoder::new(sent)),
        }
    }
}

/// Whether this begins as RFC 1950 has it. The name means that form, and some send the bare one of RFC 1951.
fn has_zlib_head(sent: &[u8]) -> bool {
    matches!(sent, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const MAX: usize = 100_000;

    fn compressed(text: &[u8]) -> [(&'static str, Vec<u8>); 4] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(text).unwrap();
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(text).unwrap();
        let gzip = gzip.finish().unwrap();
        [
            ("gzip", gzip.clone()),
            ("X-Gzip", gzip),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", deflate.finish().unwrap()),
        ]
    }

    async fn of(coding: &str, sent: &[u8]) -> Result<Option<Bytes>> {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, coding.parse().unwrap())]);
        inflate(&headers, &Bytes::copy_from_slice(sent), MAX).await
    }

    #[tokio::test]
    async fn each_coding_is_inflated_up_to_the_bound() {
        for (text, fits) in [(vec![b'x'; MAX], true), (vec![b'x'; MAX + 1], false)] {
            for (coding, sent) in compressed(&text) {
                match of(coding, &sent).await {
                    Ok(inflated) => assert!(fits && inflated.as_deref() == Some(&text[..]), "{coding}"),
                    Err(problem) => assert!(!fits && problem.code() == "payload_too_large", "{coding}"),
                }
            }
        }
        assert!(of("identity", b"{}").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_not_what_it_says_is_refused() {
        let [(_, gzip), ..] = compressed(b"{}");
        for (coding, sent) in
            [("gzip", &b"{}"[..]), ("deflate", &gzip), ("gzip", &gzip[..gzip.len() - 1]), ("gzip", b"")]
        {
            assert_eq!(of(coding, sent).await.unwrap_err().code(), "unreadable", "{coding}");
        }
        for coding in ["br", "gzip, gzip", "gzip,deflate"] {
            assert_eq!(of(coding, &gzip).await.unwrap_err().code(), "unsupported_encoding", "{coding}");
        }
    }
}
