//! A runner by itself, for tests.

fn main() -> std::io::Result<()> {
    transform::serve_stdio()
}
