//! Many requests at once, and not too many.

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt, stream};

use crate::Result;

/// Requests of one call under way at once.
const AT_ONCE: usize = 32;

/// Makes them all; answers in their order, or with the first failure.
///
/// (Boxed, since the compiler cannot see through the closures that make them that they may go to
/// another thread.)
pub(super) async fn all<T>(requests: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(requests).buffered(AT_ONCE).try_collect().await
}

/// Makes as many as there are, in whatever order, until one fails. Each is made up when its turn
/// comes: there may be very many. (Not a stream of them, for the reason that [`all`] says.)
pub(super) async fn each<'a>(
    requests: impl Iterator<Item = BoxFuture<'a, Result<()>>> + Send,
) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    for request in requests {
        if under_way.len() == AT_ONCE {
            under_way.try_next().await?;
        }
        under_way.push(request);
    }
    under_way.try_collect().await
}

/// The sum of what they answer, in whatever order, until one fails. Each is made up when its turn
/// comes.
pub(super) async fn sum<'a>(
    requests: impl Iterator<Item = BoxFuture<'a, Result<u64>>> + Send,
) -> Result<u64> {
    let answers = stream::iter(requests).buffer_unordered(AT_ONCE);
    answers.try_fold(0, async |sum, one| Ok(sum + one)).await
}
