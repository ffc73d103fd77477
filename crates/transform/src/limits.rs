//! What bounds a transform. Each number has its reason.

use std::time::Duration;

/// Bytes of a source. Functions that people write by hand stay far below; a bundled library does not fit, and each run
/// reads the source again (64 KiB take some 5 ms).
pub const SOURCE_BYTES_MAX: usize = 64 * 1_024;

/// How long one run may take, from the first line of the source to the finished request, by the clock on the wall.
/// It is looked at between steps of the function, so a single built-in that takes long can exceed it: see
/// [`RUNNER_HELD_MAX`].
pub const RUN_MAX: Duration = Duration::from_millis(50);

/// How long a runner may work on one question before it ends itself. Nothing the language can do holds it up: QuickJS
/// asks between steps only, and `new Array(1e9).join()` is a single step of a minute. Ten times [`RUN_MAX`], so that a
/// busy machine does not end runs that behave.
pub const RUNNER_HELD_MAX: Duration = Duration::from_millis(500);

/// Bytes of memory of one run: the language itself (a few hundred KiB), the event as objects, and what the function
/// makes.
pub const MEMORY_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Bytes of the run's stack. JSON nested as deep as an event may be fits; a thread of ours has at least 2 MiB.
pub const STACK_BYTES_MAX: usize = 256 * 1_024;

/// Bytes of a body that a transform makes. Receivers of webhooks rarely take more.
pub const BODY_BYTES_MAX: usize = 1_024 * 1_024;
