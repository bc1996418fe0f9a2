//! What every store must do, as tests: each kind of store passes them all.
//!
//! ```text
//! conformance::suite!(Files::new());
//! ```
//!
//! makes a test of each case, with a new set of stores.

#![expect(clippy::unwrap_used, reason = "a case ends at what it did not expect")]

use std::sync::Arc;

use async_trait::async_trait;

use store::{Journal, Readings};

pub mod journal;
mod order;
pub mod readings;
mod registers;
mod retraction;
mod sensors;

/// Opens stores of the kind under test.
#[async_trait]
pub trait Stores: Send + Sync + 'static {
    /// Opens the one journal of this set. Each call is an opening of its own, as that of another
    /// replica.
    async fn journal(&self) -> Arc<dyn Journal>;

    /// Opens the one database of readings of this set, in the same way.
    async fn readings(&self) -> Arc<dyn Readings>;
}

/// Makes a test of each case of the suite. The argument makes a [`Stores`] with nothing in it.
#[macro_export]
macro_rules! suite {
    ($stores:expr) => {
        mod journal {
            #[allow(unused_imports)]
            use super::*;
            $crate::journal_cases!($crate::case, $stores);
        }
        mod readings {
            #[allow(unused_imports)]
            use super::*;
            $crate::readings_cases!($crate::case, $stores);
        }
    };
}

/// One test of the suite.
#[doc(hidden)]
#[macro_export]
macro_rules! case {
    ($module:ident, $stores:expr, $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::$module::$case(&$stores).await;
            }
        )*
    };
}

/// Runs a future to its end in the middle of a test that is no future (a property).
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}
