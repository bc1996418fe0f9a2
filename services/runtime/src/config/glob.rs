//! Globs over bucket names and keys: `*` and `?` do not cross `/`, `**` does.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use globset::{Glob, GlobBuilder, GlobMatcher};

/// Compiled globs. They come from the configuration, so there are few; should there ever be many,
/// memory stays bounded.
static COMPILED: RwLock<Option<HashMap<String, Option<GlobMatcher>>>> = RwLock::new(None);
const MOST: usize = 1024;

/// Whether `text` matches `glob`. A glob that cannot be read matches nothing; the configuration
/// refuses it before.
pub fn matches(glob: &str, text: &str) -> bool {
    {
        let compiled = COMPILED.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(matcher) = compiled.as_ref().and_then(|compiled| compiled.get(glob)) {
            return matcher.as_ref().is_some_and(|glob| glob.is_match(text));
        }
    }
    let matcher = compile(glob).ok().map(|glob| glob.compile_matcher());
    let answer = matcher.as_ref().is_some_and(|glob| glob.is_match(text));
    let mut compiled = COMPILED.write().unwrap_or_else(PoisonError::into_inner);
    let compiled = compiled.get_or_insert_with(HashMap::new);
    if compiled.len() >= MOST {
        compiled.clear();
    }
    compiled.insert(glob.to_owned(), matcher);
    answer
}

/// Why `glob` cannot be read, if it cannot.
pub fn error(glob: &str) -> Option<String> {
    compile(glob).err().map(|error| error.kind().to_string())
}

fn compile(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
}
