//! All targets, or some, for a while each.

fn main() -> std::process::ExitCode {
    fuzz::drive::main()
}
