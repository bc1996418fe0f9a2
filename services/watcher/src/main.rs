//! The watcher as a process.

use std::process::ExitCode;

use proto::User;

fn main() -> ExitCode {
    runtime::main(User::Watcher, |_| Ok(()), watcher::start)
}
