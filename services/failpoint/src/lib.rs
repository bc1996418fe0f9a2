//! Failpoints: places where a test ends, stops or trips a service, and a record of which were hit.
//!
//! Every call to the outside has one before and one after it, by the name in [`Call`]. Between two
//! of them a service leaves no trace but in its own memory, so a kill anywhere is a kill at one of
//! them. The crate `fail` is not used: it cannot kill its own process, counts no hits and knows no
//! registry of its points.
//!
//! | variable | meaning |
//! |---|---|
//! | `LANDFALL_TEST_FAILPOINT` | what happens where: one or several of the below, with `;` between them |
//! | `LANDFALL_TEST_FAILPOINT_LOG` | a file to which each point is appended when it is hit first |
//!
//! ```text
//! objects.copy.after=kill                    at the first hit
//! objects.copy.after:3=kill                  at the third
//! journal.create.before@decision/=kill       at the first whose subject has `decision/` in it
//! readings.write.before@incoming/bad=panic   a subject is a key, where the call knows one
//! objects.copy.after@replay/=kill            at the first of a file's second way or a later one
//! ```
//!
//! On such a way ([`on_way`]) `replay/` stands before every subject. The lines of the log can be
//! given as they are, with an action behind them. Release builds have no failpoints ([`ENABLED`]):
//! there [`around`] answers the call itself.

mod call;
#[cfg(any(debug_assertions, feature = "failpoints"))]
mod registry;
#[cfg(any(debug_assertions, feature = "failpoints"))]
mod scope;
#[cfg(any(debug_assertions, feature = "failpoints"))]
mod trigger;

pub use call::{Call, Moment};

/// Whether this build has failpoints: debug builds, and those with the feature `failpoints`.
pub const ENABLED: bool = cfg!(any(debug_assertions, feature = "failpoints"));

/// What a call is about: `kind/name`, or the name alone where the kind is empty. The log tells
/// kinds apart, and replays from first ways, and no names.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Which sort of thing, where one call is made about several.
    pub kind: &'static str,
    /// Which one: a key or a file id.
    pub name: &'a str,
}

impl<'a> Subject<'a> {
    /// Nothing in particular.
    pub const NONE: Subject<'static> = Subject { kind: "", name: "" };

    /// Something of a kind that needs no telling apart.
    pub fn named(name: &'a str) -> Self {
        Self { kind: "", name }
    }
}

/// Makes a call, with its failpoints before and after it.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn around<F: Future>(
    call: Call,
    subject: Subject<'_>,
    made: F,
) -> impl Future<Output = F::Output> {
    // On the heap: held by a second future, it would count twice in the size of its caller's.
    let made = Box::pin(made);
    async move {
        registry::hit(call, Moment::Before, subject);
        let answer = made.await;
        registry::hit(call, Moment::After, subject);
        answer
    }
}

/// Makes a call.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline]
pub fn around<F: Future>(_: Call, _: Subject<'_>, made: F) -> F {
    made
}

/// Does what belongs to one way of a file: its first (`replay` is 0), or a later one, whose
/// failpoints are told apart. What it leaves to other tasks belongs to none.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn on_way<F: Future>(replay: u32, work: F) -> impl Future<Output = F::Output> {
    // On the heap, as above.
    let mut work = Box::pin(work);
    std::future::poll_fn(move |context| {
        let _scope = scope::Scope::enter(replay > 0);
        work.as_mut().poll(context)
    })
}

/// Does what belongs to one way of a file.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline]
pub fn on_way<F: Future>(_: u32, work: F) -> F {
    work
}
