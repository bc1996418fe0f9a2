use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proto::artefact;

#[test]
fn what_is_checked_in_is_what_the_code_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expected: BTreeMap<String, String> = artefact::all()
        .into_iter()
        .map(|artefact| (artefact.path, artefact.content))
        .collect();
    for (path, content) in &expected {
        let found = fs::read_to_string(here.join(path)).unwrap_or_default();
        assert!(
            found == *content,
            "proto/{path} differs; run `make generate`"
        );
    }
    for folder in artefact::FOLDERS {
        for entry in fs::read_dir(here.join(folder)).unwrap() {
            let path = format!("{folder}/{}", entry.unwrap().file_name().display());
            assert!(
                expected.contains_key(&path),
                "proto/{path} is nobody's; run `make generate`"
            );
        }
    }
}
