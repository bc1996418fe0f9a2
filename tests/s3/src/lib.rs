//! S3 in memory, for tests that must decide what becomes of every request.
//!
//! It understands what Landfall asks of a store and answers 501 to the rest, checks no signatures
//! (the access key says who asks), and has a clock that stands still until a test moves it. Which
//! preconditions it honours is its [`Flavour`]'s to say: real stores differ in that, and
//! `tests/table.rs` holds it to what was measured of them.
//!
//! Requests are done as they come. Those of whom a test [holds](Server::hold) wait until it has
//! decided their [`Fate`]: done, refused, done and not answered, an error within a success. While
//! they wait, the test can act on the [`Store`] as somebody else, and since it alone lets requests
//! go on, what several clients do is done in the order that it wants.
//!
//! Kept simpler than any store: one page of a listing knows no delimiter, a part of an upload may
//! be small, and everything but a copy happens at one moment (a copy reads at one and writes at a
//! later one, as [`Held::read`] wants it).

mod answer;
mod call;
mod flavour;
mod multipart;
mod object;
mod perform;
mod refusal;
mod server;
mod store;

pub use call::{Call, Operation};
pub use flavour::Flavour;
pub use object::{Content, Object};
pub use perform::Read;
pub use refusal::Refusal;
pub use server::{Fate, Held, Server};
pub use store::{Lying, Store};
