//! Ingest as a process.

use std::process::ExitCode;
use std::sync::Arc;

use ingest::Ingest;
use objects::Objects;
use proto::{User, consumer};

fn main() -> ExitCode {
    runtime::main(
        User::Ingest,
        |_| Ok(()),
        async |context| {
            let objects = Objects::new(&context.config.objects).await?;
            let journal = Arc::clone(&context.journal);
            let readings = context.readings().await?;
            let ingest = Ingest::new(&context.config, objects, journal, readings);
            context.steps(consumer::ingest(), Arc::new(ingest));
            Ok(())
        },
    )
}
