//! The mover's process.

use std::process::ExitCode;
use std::sync::Arc;

use mover::Mover;
use proto::{User, consumer};

fn main() -> ExitCode {
    runtime::main(
        User::Mover,
        |_| Ok(()),
        async |context| {
            let mover = Mover::start(&context.config, Arc::clone(&context.journal)).await?;
            context.steps(consumer::mover(), Arc::new(mover));
            Ok(())
        },
    )
}
