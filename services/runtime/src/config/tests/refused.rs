//! What is refused, and the one line that says so.

use super::{line, read};

/// Text, variables, line.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

#[test]
fn each_wrong_setting_is_one_line_that_says_where_it_stands_and_what_is_allowed() {
    let table: &[Case] = &[
        (
            "[nats]\nurll = \"x\"\n",
            &[],
            "landfall.toml:2: `nats.urll`: unknown setting; allowed here: url, user, password, \
             ca_file, replicas, duplicate_window, ack_wait, max_deliver",
        ),
        (
            "[nats]\npassword = 98765432109876543210\n",
            &[],
            "landfall.toml:2: a number that is out of range",
        ),
        (
            "\n[nast]\n",
            &[],
            "landfall.toml:2: `nast`: unknown setting; allowed here: service, nats, objects, \
             store, tracing, watcher, ingest, mover, notifier, profiles",
        ),
        (
            "",
            &[("LANDFALL_NAST__URL", "x")],
            "LANDFALL_NAST__URL: `nast`: unknown setting; allowed here: service, nats, objects, \
             store, tracing, watcher, ingest, mover, notifier, profiles",
        ),
        (
            "[tracing]\nendpoint = \"jaeger:4318\"\n",
            &[],
            "landfall.toml:2: `tracing.endpoint`: expected a URL like `http://127.0.0.1:4318`, \
             without user, path or query",
        ),
        (
            "[tracing]\nratio = 1.5\n",
            &[],
            "landfall.toml:2: `tracing.ratio`: must be from 0 to 1, is 1.5",
        ),
        (
            "[tracing.headers]\n\"a b\" = \"x\"\n",
            &[],
            "landfall.toml:2: `tracing.headers.a b`: expected a header's name",
        ),
        (
            "",
            &[("LANDFALL_STORE__PATH", "x")],
            "LANDFALL_STORE__PATH: `store.path`: unknown setting; allowed here: kind, folder, cql",
        ),
        (
            "",
            &[("LANDFALL_NATS_URL", "x")],
            "LANDFALL_NATS_URL: unknown setting; levels are parted by two underscores, as in \
             LANDFALL_NATS__URL",
        ),
        (
            "[service]\nslots = \"many\"\n",
            &[],
            "landfall.toml:2: `service.slots`: expected a whole number of at least 0, found \
             string \"many\"",
        ),
        (
            "",
            &[("LANDFALL_SERVICE__SLOTS", "many")],
            "LANDFALL_SERVICE__SLOTS: `service.slots`: expected a whole number of at least 0, \
             found string \"many\"",
        ),
        (
            "[service]\nslots = -1\n",
            &[],
            "landfall.toml:2: `service.slots`: expected a whole number of at least 0, found \
             integer `-1`",
        ),
        (
            "[service]\nslots = 0\n",
            &[],
            "landfall.toml:2: `service.slots`: must be at least 1, is 0",
        ),
        (
            "[service]\nslots = 10001\n",
            &[],
            "landfall.toml:2: `service.slots`: must be at most 10000, is 10001",
        ),
        (
            "[service]\nlog = \"pretty\"\n",
            &[],
            "landfall.toml:2: `service.log`: expected one of \"human\", \"json\", found `pretty`",
        ),
        (
            "[service]\ndrain = \"soon\"\n",
            &[],
            "landfall.toml:2: `service.drain`: `soon` is no length of time; write one like `10m`, \
             `1h 30m` or `250ms`",
        ),
        (
            "[service]\ndrain = 5\n",
            &[],
            "landfall.toml:2: `service.drain`: expected a string, found integer `5`",
        ),
        (
            "[service]\nlisten = \"localhost\"\n",
            &[],
            "landfall.toml:2: `service.listen`: expected an address and a port like \
             `127.0.0.1:8780` or `[::]:8780`, found `localhost`",
        ),
        (
            "[service]\nlog_level = \"a=b=c\"\n",
            &[],
            "landfall.toml:2: `service.log_level`: expected a level like `info` or a filter like \
             `info,ingest=debug`, found `a=b=c`",
        ),
        (
            "[service]\njournal_retention = \"6d\"\n",
            &[],
            "landfall.toml:2: `service.journal_retention`: must be at least 7 days: so long \
             events lie in the stream FILES, and each may come again",
        ),
        (
            "[notifier]\ndelay = \"90d\"\n",
            &[],
            "`service.journal_retention`: must be at least the longest `notifier.delay` and \
             `notifier.retry_for` together",
        ),
        (
            "[nats]\nurl = \"host:4222\"\n",
            &[],
            "landfall.toml:2: `nats.url`: expected a URL like `nats://host:4222`, without user, \
             path or query",
        ),
        (
            "[nats]\nurl = \"nats://a:4222,nats://b:x\"\n",
            &[],
            "landfall.toml:2: `nats.url`: expected a URL like `nats://host:4222`, without user, \
             path or query",
        ),
        (
            "[nats]\nreplicas = 2\n",
            &[],
            "landfall.toml:2: `nats.replicas`: expected 1, 3 or 5",
        ),
        (
            "[nats]\nduplicate_window = \"50ms\"\n",
            &[],
            "landfall.toml:2: `nats.duplicate_window`: must be at least 100 ms",
        ),
        (
            "[nats]\nmax_deliver = 5\n",
            &[],
            "landfall.toml:2: `nats.max_deliver`: must be more than `service.tries` (5): each \
             try is a delivery",
        ),
        (
            "[nats]\nca_file = \"/nowhere/ca.pem\"\n",
            &[],
            "landfall.toml:2: `nats.ca_file`: cannot read /nowhere/ca.pem: No such file or \
             directory (os error 2)",
        ),
        (
            "[nats]\npassword = 7\n",
            &[],
            "landfall.toml:2: `nats.password`: expected a string or { file = \"path\" }",
        ),
        (
            "[nats]\npassword = { file = \"/nowhere/password\" }\n",
            &[],
            "landfall.toml:2: `nats.password`: cannot read the secret's file /nowhere/password: \
             No such file or directory (os error 2)",
        ),
        (
            "[objects]\nendpoint = \"http://user@host\"\n",
            &[],
            "landfall.toml:2: `objects.endpoint`: expected a URL like `http://host:8333`, \
             without user, path or query",
        ),
        (
            "[objects]\ncopy_above = 5368709121\n",
            &[],
            "landfall.toml:2: `objects.copy_above`: must be at most 5368709120 (5 GiB), is 5368709121",
        ),
        (
            "[objects]\ncopy_part = 1000\n",
            &[],
            "landfall.toml:2: `objects.copy_part`: must be 5242880 (5 MiB) to 5368709120 (5 GiB), is \
             1000",
        ),
        (
            "[objects]\nca_file = \"/not/there.pem\"\n",
            &[],
            "landfall.toml:2: `objects.ca_file`: cannot read /not/there.pem: No such file or \
             directory (os error 2)",
        ),
        (
            "[objects]\naccess_key = \"key\"\n",
            &[],
            "landfall.toml:2: `objects.access_key`: needs `objects.secret_key` beside it",
        ),
        (
            "[objects]\ntimeout = \"0s\"\n",
            &[],
            "landfall.toml:2: `objects.timeout`: must be more than 0",
        ),
        (
            "[store]\nkind = \"cql\"\ncql = { nodes = [\"scylla\"] }\n",
            &[],
            "landfall.toml:3: `store.cql.nodes[0]`: expected a host and a port like \
             `scylla:9042`, found \"scylla\"",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nnodes = []\n",
            &[],
            "landfall.toml:4: `store.cql.nodes`: expected at least one node",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nuser = \"landfall\"\n",
            &[],
            "landfall.toml:4: `store.cql.user`: a login needs both `store.cql.user` and \
             `store.cql.password`",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nca_file = \"ca.pem\"\n",
            &[],
            "landfall.toml:4: `store.cql.ca_file`: is for TLS: set `store.cql.tls = true` too",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nreadings = \"Sensor-Data\"\n",
            &[],
            "landfall.toml:4: `store.cql.readings`: `Sensor-Data` is no name of a keyspace: 1 to \
             48 of a-z, 0-9 and _, a letter first",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\njournals = \"landfall\"\n",
            &[],
            "landfall.toml:4: `store.cql.journals`: must be another keyspace than that of the \
             readings",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nreplication = { dc1 = 0 }\n",
            &[],
            "landfall.toml:4: `store.cql.replication`: expected the names of data centers, each \
             with a number of replicas",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nbucket = \"1500ms\"\n",
            &[],
            "landfall.toml:4: `store.cql.bucket`: must be one or more whole seconds",
        ),
        (
            "[store]\nkind = \"cql\"\n[store.cql]\nttl = \"365d\"\nwindow = \"1d\"\n",
            &[],
            "landfall.toml:5: `store.cql.window`: is too short: `ttl` would have 365 of them, and \
             50 are possible",
        ),
        (
            "[store]\nkind = \"oracle\"\n",
            &[],
            "landfall.toml:2: `store.kind`: expected one of \"sqlite\", \"cql\", found `oracle`",
        ),
        (
            "[watcher]\nbuckets = [\"in\"]\n",
            &[],
            "landfall.toml:2: `watcher.buckets[0]`: expected a table, found string \"in\"",
        ),
        (
            "[[watcher.buckets]]\nprefixes = [\"a/\"]\n",
            &[],
            "landfall.toml:1: `watcher.buckets[0]`: `name` is missing",
        ),
        (
            "[[watcher.buckets]]\nname = \"a\"\n[[watcher.buckets]]\nname = \"a\"\n",
            &[],
            "landfall.toml:4: `watcher.buckets[1].name`: bucket `a` is there twice: give it both \
             prefixes",
        ),
        (
            "[[watcher.buckets]]\nname = \"a\"\n",
            &[("LANDFALL_WATCHER__BUCKETS__0__NAME", "b")],
            "LANDFALL_WATCHER__BUCKETS__0__NAME: a list is set as a whole, as text between \
             commas or as a TOML array",
        ),
        (
            "",
            &[
                ("LANDFALL_NATS__PASSWORD", "x"),
                ("LANDFALL_NATS__PASSWORD__FILE", "y"),
            ],
            "LANDFALL_NATS__PASSWORD__FILE: set by LANDFALL_NATS__PASSWORD as well",
        ),
        (
            "",
            &[("LANDFALL_WATCHER__BUCKETS", "[{ name = }]")],
            "LANDFALL_WATCHER__BUCKETS: `watcher.buckets`: not TOML: invalid literal string, \
             expected `'`",
        ),
        (
            "[watcher]\nignore = [\"*.tmp\", \"a[\"]\n",
            &[],
            "landfall.toml:2: `watcher.ignore[1]`: `a[` is no glob: unclosed character class; \
             missing ']'",
        ),
        (
            "[[watcher.buckets]]\nname = \"b\"\nsweep_every = \"0s\"\n",
            &[],
            "landfall.toml:3: `watcher.buckets[0].sweep_every`: must be more than 0",
        ),
        (
            "[[watcher.buckets]]\nname = \"b\"\nignore = [\"a[\"]\n",
            &[],
            "landfall.toml:3: `watcher.buckets[0].ignore[0]`: `a[` is no glob: unclosed character \
             class; missing ']'",
        ),
        (
            "[[watcher.buckets]]\nname = \"b\"\nprefixes = [\"a/\", \"processed/in/\"]\n",
            &[],
            "landfall.toml:3: `watcher.buckets[0].prefixes[1]`: \"processed/in/\" overlaps \
             `mover.processed` (\"processed/\") in bucket `b`: Landfall would take its own files \
             for new ones; change one of the two",
        ),
        (
            "[[watcher.buckets]]\nname = \"b\"\nprefixes = [\"\"]\n\
             [mover]\ntarget_bucket = \"b\"\n",
            &[],
            "landfall.toml:3: `watcher.buckets[0].prefixes[0]`: \"\" overlaps `mover.processed` \
             (\"processed/\") in bucket `b`: Landfall would take its own files for new ones; \
             change one of the two",
        ),
        (
            "[[watcher.buckets]]\nname = \"b\"\n[ingest]\nrejected_rows = \"incoming/bad/\"\n",
            &[],
            "landfall.toml:1: `watcher.buckets[0].prefixes[0]`: \"incoming/\" overlaps \
             `ingest.rejected_rows` (\"incoming/bad/\") in bucket `b`: Landfall would take its \
             own files for new ones; change one of the two",
        ),
        (
            "[mover]\nprocessed = \"/done/\"\n",
            &[],
            "landfall.toml:2: `mover.processed`: expected a prefix like \"processed/\", found \
             \"/done/\"",
        ),
        (
            "[[profiles]]\nname = \"p\"\nmover = { rejected = \"\" }\n",
            &[],
            "landfall.toml:3: `profiles[0].mover.rejected`: expected a prefix like \"processed/\", \
             found \"\"",
        ),
        (
            "[[profiles]]\nname = \"p\"\nmover = { after = \"archive\" }\n",
            &[],
            "landfall.toml:3: `profiles[0].mover.after`: expected one of \"move\", \"leave\", \
             \"delete\", found `archive`",
        ),
        (
            "[[profiles]]\nname = \"p\"\nmover = { rejected_bucket = \"\" }\n",
            &[],
            "landfall.toml:3: `profiles[0].mover.rejected_bucket`: must not be empty",
        ),
        (
            "[[watcher.buckets]]\nname = \"b\"\n\
             [[profiles]]\nname = \"p\"\nmover = { processed = \"incoming/done/\" }\n",
            &[],
            "landfall.toml:1: `watcher.buckets[0].prefixes[0]`: \"incoming/\" overlaps \
             `profiles[0].mover.processed` (\"incoming/done/\") in bucket `b`: Landfall would take \
             its own files for new ones; change one of the two",
        ),
        (
            "[ingest]\nrejected_rows = \"processed/rows/\"\n",
            &[],
            "landfall.toml:2: `ingest.rejected_rows`: \"processed/rows/\" overlaps \
             `mover.processed` (\"processed/\")",
        ),
        (
            "[notifier.smtp]\nhost = \"mail.example.org\"\ntls = \"none\"\n",
            &[],
            "landfall.toml:3: `notifier.smtp.tls`: \"none\" is for this machine only; \
             `notifier.smtp.host` is `mail.example.org`: use \"starttls\" or \"implicit\"",
        ),
        (
            "[notifier.smtp]\nport = 70000\n",
            &[],
            "landfall.toml:2: `notifier.smtp.port`: expected a whole number from 0 to 65535, \
             found integer `70000`",
        ),
        (
            "[notifier.smtp]\nuser = \"me\"\n",
            &[],
            "landfall.toml:2: `notifier.smtp.user`: a login needs both `notifier.smtp.user` and \
             `notifier.smtp.password`",
        ),
        (
            "[notifier]\nto = [\"a@example.org\", \"nobody\"]\n",
            &[],
            "landfall.toml:2: `notifier.to[1]`: expected an address like `Landfall \
             <landfall@example.org>`, found \"nobody\"",
        ),
        (
            "[notifier]\nfrom = \"a@b\\r\\nBcc: c@d\"\n",
            &[],
            "landfall.toml:2: `notifier.from`: expected an address like `Landfall \
             <landfall@example.org>`, found \"a@b\\r\\nBcc: c@d\"",
        ),
        (
            "[[notifier.routes]]\nname = \"r\"\nprofile = \"p\"\nto = []\n",
            &[],
            "landfall.toml:3: `notifier.routes[0].profile`: there is no profile `p`",
        ),
        (
            "[[notifier.routes]]\nname = \"r\"\n",
            &[],
            "landfall.toml:1: `notifier.routes[0]`: `to` is missing",
        ),
        (
            "[[profiles]]\nname = \"Wide Files\"\n",
            &[],
            "landfall.toml:2: `profiles[0].name`: expected 1 to 64 of a-z, 0-9 and -, found \
             \"Wide Files\"",
        ),
        (
            "[[profiles]]\nname = \"default\"\n",
            &[],
            "landfall.toml:2: `profiles[0].name`: is the built-in profile's name; take another",
        ),
        (
            "[[profiles]]\nname = \"a\"\n[[profiles]]\nname = \"a\"\n",
            &[],
            "landfall.toml:4: `profiles[1].name`: there are two profiles `a`",
        ),
        (
            "[[profiles]]\nname = \"a\"\n[[profiles]]\nname = \"b\"\nkey = \"x/*\"\n",
            &[],
            "landfall.toml:5: `profiles[1].key`: no file ever comes to the profile `b`: `a` stands \
             before it and takes them all",
        ),
        (
            "[[profiles]]\nname = \"a\"\nkey = \"x/*\"\nbucket = \"in\"\n\
             [[profiles]]\nname = \"b\"\nkey = \"x/*\"\nbucket = \"in\"\n",
            &[],
            "landfall.toml:7: `profiles[1].key`: no file ever comes to the profile `b`: `a` stands \
             before it and takes them all",
        ),
        (
            "[[profiles]]\nname = \"a\"\ndelimiter = \"ä\"\n",
            &[],
            "landfall.toml:3: `profiles[0].delimiter`: expected one ASCII character that is no \
             quote or line break",
        ),
        (
            "[[profiles]]\nname = \"a\"\nheader = \"no\"\n",
            &[],
            "landfall.toml:1: `profiles[0].time`: without a header columns have no names: give \
             the position of `timestamp`",
        ),
        (
            "[[profiles]]\nname = \"a\"\ntime = 0\n",
            &[],
            "landfall.toml:3: `profiles[0].time`: positions count from 1",
        ),
        (
            "[[profiles]]\nname = \"a\"\ntime = true\n",
            &[],
            "landfall.toml:3: `profiles[0].time`: expected a column's name, or its position from 1",
        ),
        (
            "[[profiles]]\nname = \"a\"\nvalues = [\"x\", { column = 3, metric = \"x\" }]\n",
            &[],
            "landfall.toml:3: `profiles[0].values[1]`: metric `x` is there twice",
        ),
        (
            "[[profiles]]\nname = \"a\"\nmetric = \"m\"\nvalues = [\"x\", \"y\"]\n",
            &[],
            "landfall.toml:3: `profiles[0].metric`: a file that names the metric of each row has \
             one column of values",
        ),
        (
            "[[profiles]]\nname = \"a\"\nbudget = \"101%\"\n",
            &[],
            "landfall.toml:3: `profiles[0].budget`: `101%` is no share; write one from \"0%\" to \
             \"100%\"",
        ),
        (
            "[[profiles]]\nname = \"a\"\nsensor = \"name\"\n",
            &[],
            "landfall.toml:3: `profiles[0].sensor`: expected one of \"column\", \"file_name\", \
             \"fixed\", found `name`",
        ),
        (
            "[[profiles]]\nname = \"a\"\nsensor = { colum = 1 }\n",
            &[],
            "landfall.toml:3: `profiles[0].sensor`: expected one of \"column\", \"file_name\", \
             \"fixed\", found `colum`",
        ),
        (
            "[[profiles]]\nname = \"a\"\nsensor = \"column\"\n",
            &[],
            "landfall.toml:3: `profiles[0].sensor`: a value is missing: write it as { name = \
             value }",
        ),
        (
            "[nats]\nurl = \"nats://h:1\"\nurl = \"nats://h:2\"\n",
            &[],
            "landfall.toml:3: not TOML: duplicate key",
        ),
        (
            "[nats\n",
            &[],
            "landfall.toml:1: not TOML: unclosed table, expected `]`",
        ),
    ];
    let others: Vec<String> = table
        .iter()
        .map(|(text, variables, expected)| (line(text, variables), expected))
        .filter(|(line, expected)| line != *expected)
        .map(|(line, expected)| format!("{line}\ninstead of\n{expected}\n"))
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn outputs_in_another_bucket_overlap_nothing() {
    for text in [
        "[[watcher.buckets]]\nname = \"b\"\nprefixes = [\"\"]\n[mover]\ntarget_bucket = \"done\"\n",
        "[[watcher.buckets]]\nname = \"b\"\nprefixes = [\"incoming/\", \"other/\"]\n",
    ] {
        read(text, &[]).unwrap();
    }
    // One profile that files away where everything is watched is one too many.
    let text = "[[watcher.buckets]]\nname = \"b\"\nprefixes = [\"\"]\n\
                [mover]\ntarget_bucket = \"done\"\n\
                [[profiles]]\nname = \"p\"\nmover = { target_bucket = \"b\" }\n";
    assert!(line(text, &[]).contains("overlaps `mover.processed`"));
}

#[test]
fn variables_of_others_are_left_alone() {
    let foreign = [
        ("LANDFALL_CONFIG", "x.toml"),
        ("LANDFALL_SERVERS", "/servers"),
        ("LANDFALL_TEST_DATA", "/data"),
        ("LANDFALL_NATS_SERVICE_HOST", "10.0.0.1"),
        ("LANDFALL_NATS_SERVICE_PORT_CLIENT", "4222"),
        ("LANDFALL_NATS_PORT", "tcp://10.0.0.1:4222"),
        ("LANDFALL_NATS_PORT_4222_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ];
    read("", &foreign).unwrap();
}
