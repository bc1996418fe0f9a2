//! The notifier as a process.

use std::process::ExitCode;

use proto::User;

fn main() -> ExitCode {
    runtime::main(User::Notifier, notifier::check, notifier::start)
}
