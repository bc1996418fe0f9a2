//! Whose fault a failure is: the store's, or one object's.
//!
//! "Access denied" and "internal error" are what a store says when a right is missing or a disk is
//! gone, and what it says of one object that lies under a foreign key or has lost its data. The
//! first is an outage, and everybody waits until it is over. The second must not be one: a single
//! object would stop a whole service for good. So the same is asked of another object:
//!
//! | this object | another, then | this one, once more | then |
//! |---|---|---|---|
//! | denied, or an internal error | the same, or there is none | | outage |
//! | denied, or an internal error | works | works | it was over in that moment |
//! | denied, or an internal error | works | the same again | [`Error::Refused`]: this object is to blame |
//!
//! A refusal counts as a try, and tries have growing pauses between them. Since this object failed
//! before *and* after the other one worked, an outage that ends in between costs no try. What a
//! store says to all alike (overload, no answer, bad credentials) never gets here; and of a denial
//! it must be certain that no right is missing where the object lies: a name beside it that nobody
//! has must be "not found".
//!
//! Only what reads is judged thus. What writes cannot be tried on somebody else's object.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, future};

use crate::call::{Call, Failure, Operation};
use crate::list::Listed;
use crate::{Error, Objects};

/// How many neighbours are looked through for another object, and how many are tried: the newest,
/// since what cannot be read stays where it is, and what can be read is moved away.
const NEIGHBOURS: usize = 1000;
const TRIED: usize = 8;

/// The object that an operation last worked for, by operation and bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worked(Arc<Mutex<HashMap<(Operation, String), String>>>);

impl Worked {
    /// Notes that a request did what it should.
    pub(crate) fn note(&self, call: Call<'_>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = call.bucket.to_owned();
        last.insert((call.operation, bucket), call.key.to_owned());
    }

    fn last(&self, call: Call<'_>) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(&(call.operation, call.bucket.to_owned())).cloned()
    }
}

impl Objects {
    /// Makes a request that may fail by its object's fault, and finds out whether it did.
    pub(crate) async fn judged<T, F>(
        &self,
        call: Call<'_>,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T, Failure>
    where
        T: Send,
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let first = match attempt().await {
            Err(Failure::Suspect(error)) => error,
            other => return other,
        };
        if !self.works_for_another(call, &first).await {
            return Err(Failure::Other(first));
        }
        match attempt().await {
            Err(Failure::Suspect(error)) => Err(Failure::Other(blamed(&error))),
            other => other,
        }
    }

    /// Whether the operation that failed with `error` works for another object of the bucket now.
    pub(crate) async fn works_for_another(&self, call: Call<'_>, error: &Error) -> bool {
        if matches!(error, Error::Denied(_)) && !self.is_allowed_beside(call).await {
            return false;
        }
        let last = self.worked.last(call).filter(|last| last != call.key);
        if let Some(last) = last
            && self.works_for(Call { key: &last, ..call }).await
        {
            return true;
        }
        for Listed { key, .. } in self.neighbours(call).await {
            if self.works_for(Call { key: &key, ..call }).await {
                return true;
            }
        }
        false
    }

    async fn works_for(&self, call: Call<'_>) -> bool {
        match call.operation {
            Operation::Head => self.ask(call, None, None).await.is_ok(),
            Operation::Get => self.can_read(call).await,
            _ => false,
        }
    }

    /// Whether a name beside the object's, which nobody has, is "not found": without the rights to
    /// read there and to list it would be denied.
    async fn is_allowed_beside(&self, call: Call<'_>) -> bool {
        let (folder, name) = call.key.split_at(folder(call.key).len());
        let key = format!("{folder}.landfall-{name}");
        let beside = Call {
            operation: Operation::Head,
            key: &key,
            ..call
        };
        let answer = self.ask(beside, None, None).await;
        matches!(answer, Ok(_) | Err(Failure::Missing))
    }

    /// Other objects with something in them, of the folder that the object lies in.
    async fn neighbours(&self, call: Call<'_>) -> Vec<Listed> {
        let listed = self.list(call.bucket, folder(call.key));
        let listed = listed
            .take(NEIGHBOURS)
            .try_filter_map(|line| future::ready(Ok(line.ok())))
            .try_filter(|listed| future::ready(listed.key != call.key && listed.size > 0));
        let mut listed: Vec<Listed> = listed.try_collect().await.unwrap_or_default();
        listed.sort_unstable_by_key(|listed| std::cmp::Reverse(listed.version.last_modified));
        listed.truncate(TRIED);
        listed
    }
}

/// What it comes to that an object fails where another works.
pub(crate) fn blamed(error: &Error) -> Error {
    Error::Refused(format!(
        "{error}; the same works for another object of the bucket, so this one is to blame"
    ))
}

/// Everything up to the last slash.
fn folder(key: &str) -> &str {
    key.rfind('/').map_or("", |slash| &key[..=slash])
}
