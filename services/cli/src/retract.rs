//! `landfall retract`

use proto::event::Command;
use runtime::Config;
use runtime::text::counted;
use store::write_timestamp::MAX_REPLAY;

use crate::choice::Choice;
use crate::describe;
use crate::failure::Failure;
use crate::journals::{Journals, Standing, State};
use crate::options;
use crate::order::{Order, Person, agreed, give};
use crate::output::plain;

/// Orders that the readings of files are taken out of the database, and says how many that were.
pub(crate) async fn run(config: &Config, options: options::Retract) -> Result<(), Failure> {
    let journals = Journals::open(config).await?;
    let readings = runtime::readings(&config.store)
        .await
        .map_err(Failure::failed)?;
    let choice = Choice {
        config,
        journals: &journals,
        bucket: options.ordering.bucket.as_deref(),
    };
    let person = Person::of(&options.ordering);
    let (mut orders, mut refused) = (vec![], 0);
    for file in choice.files(&options.names).await? {
        let Some(standing) = journals.standing(file).await? else {
            eprintln!("{file}: the journals know no such file (any more)");
            refused += 1;
            continue;
        };
        let count = readings.count(file).await.map_err(Failure::failed)?;
        match plan(&standing, count, &person) {
            Ok(order) => orders.push(order),
            Err(why) => {
                eprintln!("{file} {}: not retracted: {why}", plain(&standing.file.key));
                refused += 1;
            }
        }
    }
    // What the command is for is how many readings that were.
    let ordering = options::Ordering {
        wait: true,
        ..options.ordering
    };
    if agreed(&orders, &ordering)? && !orders.is_empty() {
        give(config, &journals, orders, &ordering).await?;
    }
    if refused > 0 {
        Err(Failure::Told)
    } else {
        Ok(())
    }
}

/// The order for one file, or why there can be none.
fn plan(standing: &Standing, readings: u64, person: &Person) -> Result<Order, String> {
    match &standing.state {
        State::Open(at) => return Err(format!("it is on its way: {at}")),
        State::Ordered(event) => {
            let effect = format!(
                "{}, and has not ended: said again",
                describe::ordered(event)
            );
            return Ok(Order::again((**event).clone(), effect));
        }
        State::Ended(_) => {}
    }
    if standing.replay > MAX_REPLAY {
        return Err("its readings were taken out for good".to_owned());
    }
    let effect = format!(
        "{} of it taken out of the database; the file itself stays where it is",
        counted(readings, "reading")
    );
    Ok(Order::new(standing, Command::Retract, None, person, effect))
}
