//! Which files are judged.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::event::File;

/// A choice of files; all that are given must hold. Empty, it is every file.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Keys or file ids; one of them.
    pub names: Vec<String>,
    /// What the key begins with.
    pub prefix: Option<String>,
    /// The day of the upload, UTC.
    pub day: Option<Date>,
}

impl Scope {
    /// Whether it is every file.
    pub fn is_whole(&self) -> bool {
        self.names.is_empty() && self.prefix.is_none() && self.day.is_none()
    }

    /// Whether a file is one of them.
    pub fn holds(&self, file: &File) -> bool {
        let id = file.id.to_string();
        let named = self
            .names
            .iter()
            .any(|name| *name == file.key || *name == id);
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let uploaded = file.version.last_modified.to_zoned(TimeZone::UTC).date();
        (self.names.is_empty() || named)
            && file.key.starts_with(prefix)
            && self.day.is_none_or(|day| day == uploaded)
    }
}

#[cfg(test)]
mod tests {
    use proto::FileId;

    use super::*;
    use crate::event::Version;

    #[test]
    fn files_are_chosen_by_key_id_prefix_and_day() {
        let file = File {
            id: FileId::from_bytes([7; 16]),
            bucket: "b".to_owned(),
            key: "in/a.csv".to_owned(),
            version: Version {
                etag: "e".to_owned(),
                last_modified: "2026-11-22T23:59:59Z".parse().unwrap(),
                id: None,
            },
            size: 1,
            order: "2026-11-23T00:00:00Z".parse().unwrap(),
        };
        let holds = |names: &[&str], prefix: Option<&str>, day: Option<&str>| {
            let scope = Scope {
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                prefix: prefix.map(str::to_owned),
                day: day.map(|day| day.parse().unwrap()),
            };
            scope.holds(&file)
        };
        assert!(holds(&[], None, None));
        assert!(holds(&["in/b.csv", "in/a.csv"], None, None));
        assert!(holds(&["07070707070707070707070707070707"], None, None));
        assert!(!holds(&["in/b.csv"], None, None));
        assert!(holds(&[], Some("in/"), Some("2026-11-22")));
        assert!(!holds(&[], Some("out/"), Some("2026-11-22")));
        assert!(!holds(&[], Some("in/"), Some("2026-11-23")));
    }
}
