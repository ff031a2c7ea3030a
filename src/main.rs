//! The binary: arguments in, exit code out. Everything else is in the library.

fn main() -> std::process::ExitCode {
    livebridge::cli::run(std::env::args_os())
}
