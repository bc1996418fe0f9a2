//! From names to orders: what every command about files does, whatever it orders.

use proto::Data;
use proto::event::Commanded;
use runtime::Config;

use crate::choice::Choice;
use crate::describe;
use crate::failure::Failure;
use crate::journals::{Journals, Standing, State};
use crate::options;
use crate::order::{Order, Person, agreed, give};
use crate::output::plain;

/// Orders something for each file that is named. `plan` says what, for a file whose way has ended,
/// or why there can be nothing; `done` is the word for what is not done then (`replayed`). An order
/// that was given before and has not begun is said again, whatever it is: nothing else can be done
/// about its file until it has. Whether it is what is wanted `same` says.
pub(crate) async fn order(
    config: &Config,
    names: &[String],
    options: &options::Ordering,
    done: &str,
    same: impl Fn(&Commanded) -> bool,
    plan: impl AsyncFn(&Standing, &Person) -> Result<Result<Order, String>, Failure>,
) -> Result<(), Failure> {
    let journals = Journals::open(config).await?;
    let choice = Choice {
        config,
        journals: &journals,
        bucket: options.bucket.as_deref(),
    };
    let person = Person::of(options);
    let (mut orders, mut refused) = (vec![], false);
    for file in choice.files(names).await? {
        let Some(standing) = journals.standing(file).await? else {
            eprintln!("{file}: the journals know no such file (any more)");
            refused = true;
            continue;
        };
        let order = match &standing.state {
            State::Open(at) => Err(format!("it is on its way: {at}")),
            State::Ordered(event) => {
                let ordered = describe::ordered(event);
                if !matches!(&event.data, Data::Commanded(before) if same(before)) {
                    refuse(
                        &standing,
                        done,
                        &format!("{ordered} came before it, and has to end"),
                    );
                    refused = true;
                }
                let effect = format!("{ordered}, and has not ended: said again");
                Ok(Order::again((**event).clone(), effect))
            }
            State::Ended(_) => plan(&standing, &person).await?,
        };
        match order {
            Ok(order) => orders.push(order),
            Err(why) => {
                refuse(&standing, done, &why);
                refused = true;
            }
        }
    }
    if agreed(&orders, options)? && !orders.is_empty() {
        give(config, &journals, orders, options).await?;
    }
    if refused { Err(Failure::Told) } else { Ok(()) }
}

/// Says that something is not ordered.
fn refuse(standing: &Standing, done: &str, why: &str) {
    let file = &standing.file;
    eprintln!(
        "{} {}: not {done}: {}",
        file.id,
        plain(&file.key),
        plain(why)
    );
}
