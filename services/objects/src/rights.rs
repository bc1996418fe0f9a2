//! Who asks what of the store, and where: the table that `landfall doctor` walks, and from which it
//! prints IAM policies.
//!
//! Actions are Amazon's, which most stores have taken over. Those about versions are needed in
//! buckets that keep them.

use std::collections::{BTreeMap, BTreeSet};

use proto::User;
use runtime::Config;
use runtime::config::mover::Place as Target;

use crate::PROBE_PREFIX;

/// A part of the configured buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Where files arrive.
    Watched,
    /// Where they are filed away.
    Filed,
    /// Where rows go that were refused.
    RejectedRows,
    /// Objects on which the store is tried, wherever they lie.
    Probes,
}

/// A kind of request that somebody makes, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `ListObjectsV2` and `HeadBucket`. Whoever looks at an object needs it too: without it a
    /// missing object looks forbidden.
    List(Area),
    /// `GetBucketVersioning`, and where it keeps versions `ListObjectVersions`.
    Versioning(Area),
    /// `PutObject`
    Put(Area),
    /// `PutObject`, in parts where the object is large.
    Upload(Area),
    /// `HeadObject`
    Head(Area),
    /// `GetObject`
    Get(Area),
    /// `CopyObject`, from here to there.
    Copy(Area, Area),
    /// `DeleteObject`
    Delete(Area),
}

use Area::{Filed, Probes, RejectedRows, Watched};
use Need::{Delete, Get, Head, List, Put, Upload, Versioning};

/// What a user asks of the store.
pub fn needs(user: User) -> &'static [Need] {
    match user {
        User::Watcher => &[List(Watched), Versioning(Watched), Head(Watched)],
        // A replay reads the copy that was filed away.
        User::Ingest => &[
            List(Watched),
            Head(Watched),
            Get(Watched),
            List(Filed),
            Head(Filed),
            Get(Filed),
            Put(RejectedRows),
            // Whose it is, if something has the name.
            Head(RejectedRows),
            // Of what `landfall doctor` puts beside refused rows.
            Delete(Probes),
        ],
        User::Mover => &[
            List(Watched),
            Head(Watched),
            Need::Copy(Watched, Filed),
            Delete(Watched),
            List(Filed),
            Head(Filed),
            // A replay puts its copy in the place of the one before.
            Need::Copy(Filed, Filed),
            Delete(Filed),
            Put(Probes),
            Head(Probes),
            Need::Copy(Probes, Probes),
            Delete(Probes),
        ],
        User::Operator => &[
            Upload(Watched),
            List(Watched),
            Head(Watched),
            Get(Watched),
            List(Filed),
            Head(Filed),
            Get(Filed),
            Delete(Probes),
        ],
        User::Notifier | User::Setup | User::Storage => &[],
    }
}

/// A prefix of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which bucket.
    pub bucket: String,
    /// Which part of it this is.
    pub area: Area,
    /// How keys begin there; `""` is the whole bucket.
    pub prefix: String,
}

/// A request of a kind, at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// Which kind.
    pub need: Need,
    /// Where; where to, if it is a copy.
    pub at: Place,
    /// Where from, if it is a copy.
    pub from: Option<Place>,
}

/// Actions on a resource, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// `s3:GetObject`, …
    pub actions: Vec<&'static str>,
    /// `arn:aws:s3:::bucket/prefix*`
    pub resource: String,
}

/// A statement of an IAM policy: all of these actions are allowed on all of these resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `s3:GetObject`, …
    pub actions: Vec<&'static str>,
    /// ARNs.
    pub resources: Vec<String>,
}

/// Every step that one of the users takes, each once, in an order in which what is written is there
/// when it is read, and deleted last.
pub fn steps(config: &Config, users: &[User]) -> Vec<Step> {
    let needs: BTreeSet<Need> = users
        .iter()
        .flat_map(|user| needs(*user))
        .copied()
        .collect();
    let steps = needs.into_iter();
    steps.flat_map(|need| steps_of(config, need)).collect()
}

fn steps_of(config: &Config, need: Need) -> Vec<Step> {
    let at = |at| Step {
        need,
        at,
        from: None,
    };
    match need {
        need if need.is_of_moving() && config.leaves_everything() => vec![],
        Need::Copy(from, to) => {
            let from = places(config, from).into_iter();
            let pairs = from.flat_map(|from| {
                let mut to = places(config, to);
                match from.area {
                    Watched => {
                        let targets = config.targets(&from.bucket);
                        to.retain(|to| targets.contains(&filed(to)));
                    }
                    // To wherever else would need nothing more.
                    _ => to.retain(|to| *to == from),
                }
                to.into_iter().map(move |to| (from.clone(), to))
            });
            pairs
                .map(|(from, at)| Step {
                    need,
                    at,
                    from: Some(from),
                })
                .collect()
        }
        need => places(config, need.area()).into_iter().map(at).collect(),
    }
}

/// What the user's policy has to allow.
pub fn policy(config: &Config, user: User) -> Vec<Statement> {
    let mut by_resource: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for right in steps(config, &[user]).iter().flat_map(Step::rights) {
        let actions = by_resource.entry(right.resource).or_default();
        actions.extend(right.actions);
    }
    let mut by_actions: BTreeMap<Vec<&'static str>, Vec<String>> = BTreeMap::new();
    for (resource, actions) in by_resource {
        let resources = by_actions.entry(actions.into_iter().collect()).or_default();
        resources.push(resource);
    }
    let statements = by_actions.into_iter();
    statements
        .map(|(actions, resources)| Statement { actions, resources })
        .collect()
}

impl Need {
    /// As the request is called, in a word.
    pub fn name(self) -> &'static str {
        match self {
            List(_) => "list",
            Versioning(_) => "versioning",
            Put(_) | Upload(_) => "put",
            Head(_) => "head",
            Get(_) => "get",
            Need::Copy(..) => "copy",
            Delete(_) => "delete",
        }
    }

    /// Whether nobody makes it where every file is left where it is.
    fn is_of_moving(self) -> bool {
        matches!(
            self,
            Need::Copy(..) | Delete(Watched | Filed) | Put(Probes) | Head(Probes)
        )
    }

    /// Where it is made; where to, if it is a copy.
    fn area(self) -> Area {
        match self {
            List(area) | Versioning(area) | Put(area) | Upload(area) | Head(area) | Get(area)
            | Delete(area) => area,
            Need::Copy(_, to) => to,
        }
    }
}

impl Step {
    /// Where a copy comes from; where anything else is.
    pub(crate) fn source(&self) -> &Place {
        self.from.as_ref().unwrap_or(&self.at)
    }

    /// What has to be allowed for it.
    pub fn rights(&self) -> Vec<Right> {
        const READ: [&str; 2] = ["s3:GetObject", "s3:GetObjectVersion"];
        const TAGS: [&str; 2] = ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"];
        let objects = |place: &Place, actions: &[&'static str]| Right {
            actions: actions.to_vec(),
            resource: place.objects(),
        };
        let bucket = |action| Right {
            actions: vec![action],
            resource: format!("arn:aws:s3:::{}", self.at.bucket),
        };
        match self.need {
            List(_) => vec![bucket("s3:ListBucket")],
            Versioning(_) => vec![
                bucket("s3:GetBucketVersioning"),
                bucket("s3:ListBucketVersions"),
            ],
            Head(_) | Get(_) => vec![objects(&self.at, &READ)],
            Put(_) => vec![objects(&self.at, &["s3:PutObject"])],
            Upload(_) => vec![objects(
                &self.at,
                &["s3:PutObject", "s3:AbortMultipartUpload"],
            )],
            Need::Copy(..) => vec![
                objects(self.source(), &[READ, TAGS].concat()),
                objects(
                    &self.at,
                    // The last: of what is copied in parts.
                    &[
                        "s3:PutObject",
                        "s3:PutObjectTagging",
                        "s3:AbortMultipartUpload",
                    ],
                ),
            ],
            Delete(_) => vec![objects(
                &self.at,
                &["s3:DeleteObject", "s3:DeleteObjectVersion"],
            )],
        }
    }
}

impl Place {
    /// The ARN of all its objects.
    fn objects(&self) -> String {
        let keys = match self.area {
            Probes => "*.landfall-probe*".to_owned(),
            // What stands for itself there is written so (IAM policy variables).
            _ => {
                let plain = self.prefix.replace('$', "${$}");
                plain.replace('*', "${*}").replace('?', "${?}") + "*"
            }
        };
        format!("arn:aws:s3:::{}/{keys}", self.bucket)
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, action) in self.actions.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            write!(f, "{between}`{action}`")?;
        }
        write!(f, " on `{}`", self.resource)
    }
}

/// A place as the configuration has it.
fn filed(place: &Place) -> Target<'_> {
    Target {
        bucket: &place.bucket,
        prefix: &place.prefix,
    }
}

/// Where an area is by the configuration.
fn places<'a>(config: &'a Config, area: Area) -> BTreeSet<Place> {
    let watched = &config.watcher.buckets;
    let filed = || {
        let sources = watched.iter();
        sources.flat_map(|source| config.targets(&source.name))
    };
    let place = |bucket: &str, prefix: &str| Place {
        bucket: bucket.to_owned(),
        area,
        prefix: prefix.to_owned(),
    };
    match area {
        Watched => {
            let prefixes = watched.iter().flat_map(|bucket| {
                let prefixes = bucket.prefixes.iter();
                prefixes.map(move |prefix| place(&bucket.name, prefix))
            });
            prefixes.collect()
        }
        Filed => filed()
            .map(|target| place(target.bucket, target.prefix))
            .collect(),
        // Beside the files that were ingested.
        RejectedRows => {
            let rows = &config.ingest.rejected_rows;
            let of = |source: &'a str, own| config.mover.place(own, source, false).bucket;
            let buckets = watched
                .iter()
                .flat_map(|source| config.owns().map(move |own| of(&source.name, own)));
            buckets.map(|bucket| place(bucket, rows)).collect()
        }
        Probes => {
            let sources = watched.iter().map(|bucket| bucket.name.as_str());
            let buckets = sources.chain(filed().map(|target| target.bucket));
            buckets.map(|bucket| place(bucket, PROBE_PREFIX)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::read(Path::new("landfall.toml"), text, []).unwrap()
    }

    fn allowed<'a>(policy: &'a [Statement], action: &str) -> Vec<&'a str> {
        let statements = policy.iter();
        let with = statements.filter(|statement| statement.actions.contains(&action));
        let mut resources: Vec<&str> = with
            .flat_map(|statement| &statement.resources)
            .map(String::as_str)
            .collect();
        resources.sort_unstable();
        resources
    }

    #[test]
    fn each_service_may_do_its_work_and_nothing_beyond() {
        let config =
            config("[[watcher.buckets]]\nname = \"in\"\n[mover]\ntarget_bucket = \"done\"\n");
        let watcher = policy(&config, User::Watcher);
        assert_eq!(
            allowed(&watcher, "s3:GetObject"),
            ["arn:aws:s3:::in/incoming/*"]
        );
        assert_eq!(allowed(&watcher, "s3:ListBucket"), ["arn:aws:s3:::in"]);
        for action in ["s3:PutObject", "s3:DeleteObject"] {
            assert!(allowed(&watcher, action).is_empty(), "{action}");
        }
        let ingest = policy(&config, User::Ingest);
        assert_eq!(
            allowed(&ingest, "s3:PutObject"),
            ["arn:aws:s3:::done/rejected-rows/*"]
        );
        assert_eq!(
            allowed(&ingest, "s3:DeleteObject"),
            [
                "arn:aws:s3:::done/*.landfall-probe*",
                "arn:aws:s3:::in/*.landfall-probe*"
            ]
        );
        let mover = policy(&config, User::Mover);
        assert_eq!(
            allowed(&mover, "s3:PutObjectTagging"),
            [
                "arn:aws:s3:::done/*.landfall-probe*",
                "arn:aws:s3:::done/processed/*",
                "arn:aws:s3:::done/rejected/*",
                "arn:aws:s3:::in/*.landfall-probe*",
            ]
        );
        assert!(allowed(&mover, "s3:DeleteObject").contains(&"arn:aws:s3:::in/incoming/*"));
        assert!(policy(&config, User::Notifier).is_empty());
    }

    /// The policy of `deploy/storage` is what the services need of one bucket as shipped, no more
    /// and no less.
    #[test]
    fn the_policy_that_is_shipped_is_theirs() {
        let shipped = include_str!("../../../deploy/storage/policy.json");
        let shipped: serde_json::Value = serde_json::from_str(shipped).unwrap();
        let texts = |value: &serde_json::Value| -> Vec<String> {
            let texts = value.as_array().unwrap().iter();
            texts
                .map(|text| text.as_str().unwrap().to_owned())
                .collect()
        };
        let mut allowed = BTreeSet::new();
        for statement in shipped["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            for action in texts(&statement["Action"]) {
                let resources = texts(&statement["Resource"]).into_iter();
                allowed.extend(resources.map(|resource| (action.clone(), resource)));
            }
        }
        let config = config("[[watcher.buckets]]\nname = \"sensors\"\n");
        let services = [User::Watcher, User::Ingest, User::Mover];
        let steps = steps(&config, &services);
        let rights = steps.iter().flat_map(Step::rights);
        let needed: BTreeSet<(String, String)> = rights
            .flat_map(|right| {
                let actions = right.actions.into_iter();
                actions.map(move |action| (action.to_owned(), right.resource.clone()))
            })
            .collect();
        assert_eq!(allowed, needed);
    }

    #[test]
    fn where_everything_is_left_nothing_is_written_but_refused_rows() {
        let config = config("[[watcher.buckets]]\nname = \"in\"\n[mover]\nafter = \"leave\"\n");
        let mover = policy(&config, User::Mover);
        for action in ["s3:PutObject", "s3:GetObjectTagging"] {
            assert!(allowed(&mover, action).is_empty(), "{action}");
        }
        // What `doctor` may have left.
        let probes = ["arn:aws:s3:::in/*.landfall-probe*"];
        assert_eq!(allowed(&mover, "s3:DeleteObject"), probes);
        assert!(allowed(&mover, "s3:GetObject").contains(&"arn:aws:s3:::in/incoming/*"));
        let ingest = policy(&config, User::Ingest);
        assert_eq!(
            allowed(&ingest, "s3:PutObject"),
            ["arn:aws:s3:::in/rejected-rows/*"]
        );
    }

    #[test]
    fn a_profiles_places_are_among_them_for_what_it_files() {
        let config = config(
            "[[watcher.buckets]]\nname = \"in\"\n[[profiles]]\nname = \"p\"\n\
             mover = { target_bucket = \"own\", processed = \"lab/\", rejected_bucket = \"bad\" }\n",
        );
        let mover = policy(&config, User::Mover);
        let written = allowed(&mover, "s3:PutObjectTagging");
        for place in ["own/lab/*", "bad/rejected/*", "in/processed/*"] {
            let arn = format!("arn:aws:s3:::{place}");
            assert!(written.contains(&arn.as_str()), "{place}: {written:?}");
        }
        assert!(!written.contains(&"arn:aws:s3:::own/rejected/*"));
    }

    #[test]
    fn what_a_prefix_says_is_no_wildcard() {
        let config = config("[[watcher.buckets]]\nname = \"in\"\nprefixes = [\"a*?$/\"]\n");
        let watcher = policy(&config, User::Watcher);
        assert_eq!(
            allowed(&watcher, "s3:GetObject"),
            ["arn:aws:s3:::in/a${*}${?}${$}/*"]
        );
    }

    #[test]
    fn what_is_read_was_written_before_and_is_deleted_last() {
        let config =
            config("[[watcher.buckets]]\nname = \"in\"\n[mover]\ntarget_bucket = \"done\"\n");
        let steps = steps(&config, &User::ALL);
        let last = |name: &str| steps.iter().rposition(|step| step.need.name() == name);
        let first = |name: &str| steps.iter().position(|step| step.need.name() == name);
        assert!(last("list") < first("put"));
        assert!(last("put") < first("head"));
        assert!(last("get") < first("copy"));
        assert!(last("copy") < first("delete"));
    }
}
