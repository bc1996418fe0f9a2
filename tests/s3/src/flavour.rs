//! Which store it is taken for: the columns of the table of what was measured.

/// A store, as far as stores differ in what Landfall asks of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `SeaweedFS` 4.48.
    SeaweedFs,
    /// `MinIO` of February 2026.
    MinIo,
    /// versitygw 1.8 before a file system.
    VersityGw,
    /// AWS, as its documentation has it.
    Aws,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SeaweedFs, Self::MinIo, Self::VersityGw, Self::Aws];

    /// Whether `CopyObject` honours `If-None-Match: *`.
    pub fn honours_copy_if_absent(self) -> bool {
        matches!(self, Self::SeaweedFs | Self::Aws)
    }

    /// Whether `DeleteObject` honours `If-Match`.
    pub fn honours_delete_if_match(self) -> bool {
        self != Self::MinIo
    }

    /// Whether a bucket can keep versions.
    pub fn knows_versions(self) -> bool {
        self != Self::VersityGw
    }

    /// Whether a delete may name a version and a tag at once.
    pub(crate) fn takes_version_and_tag(self) -> bool {
        self != Self::Aws
    }

    /// Whether a conditional delete of what is not there is done all the same.
    pub(crate) fn deletes_nothing_gladly(self) -> bool {
        matches!(self, Self::MinIo | Self::Aws)
    }

    /// Whether `LIST` tells the time more finely than `HEAD`.
    pub(crate) fn lists_milliseconds(self) -> bool {
        self == Self::MinIo
    }
}
