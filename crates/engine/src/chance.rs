//! Where chance comes from: the system's generator, in one place.

/// A cryptographic generator, seeded by the system.
#[expect(clippy::disallowed_methods, reason = "this is the place that everyone else is sent to")]
pub fn rng() -> impl rand::CryptoRng {
    rand::rng()
}
