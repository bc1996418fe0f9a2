//! The smallest service: it says of every file that was ingested that it was moved, and does
//! nothing. What a key begins with makes it misbehave: `crash` ends its process, `slow` takes
//! long, `never` for ever, `broken` is refused.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto::event::{MoveOutcome, Moved};
use proto::{Data, Event, User, consumer};
use runtime::{Context, Message, Step, Trouble};

struct Smallest;

#[async_trait]
impl Step for Smallest {
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        let Data::Ingested(ingested) = &event.data else {
            return Ok(None);
        };
        if ingested.file.key.starts_with("crash") {
            std::process::abort();
        }
        if ingested.file.key.starts_with("slow") {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        if ingested.file.key.starts_with("broken") {
            let key = &ingested.file.key;
            return Err(Trouble::Reject {
                reason: format!("{key} is broken"),
            });
        }
        if ingested.file.key.starts_with("never") {
            std::future::pending::<()>().await;
        }
        Ok(Some(Data::Moved(Moved {
            file: ingested.file.clone(),
            replay: ingested.replay,
            outcome: MoveOutcome::Archived,
            destination: None,
            rejected: None,
            report: ingested.report.clone(),
            replayed: None,
        })))
    }
}

fn main() -> ExitCode {
    runtime::main(
        User::Mover,
        |_| Ok(()),
        async |context: &Context| {
            context.steps(consumer::mover(), Arc::new(Smallest));
            Ok(())
        },
    )
}
