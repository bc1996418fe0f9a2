use runtime::config::Profile;
use serde_json::{Value, json};

use crate::reading::{Plain, profile, read, read_pieces, terms};

/// Reads a file that has nothing wrong.
fn stored(settings: &Value, text: &str) -> Vec<Plain> {
    let outcome = read(text.as_bytes(), &profile(settings));
    assert_eq!(outcome.seen.problem, None);
    assert_eq!(outcome.refusals(), Vec::<String>::new());
    outcome.stored()
}

fn problem(settings: &Value, text: &str) -> String {
    let outcome = read(text.as_bytes(), &profile(settings));
    outcome.seen.problem.unwrap()
}

fn one(sensor: &str, metric: &str, value: f64) -> Vec<Plain> {
    vec![(sensor.into(), metric.into(), 1_700_000_000_000, value)]
}

#[test]
fn the_default_profile_reads_files_with_and_without_a_header() {
    for text in [
        "sensor_id,timestamp,value\ns,1700000000,5\n",
        "s,1700000000,5\n",
        "s,1700000000,5",
        "\n\ns,1700000000,5\n",
        "value,sensor_id,timestamp\n5,s,1700000000\n",
        " Sensor_ID , Timestamp,\"Value\"\ns,1700000000,5\n",
        "sensor_id,unit,timestamp,value\ns,C,1700000000,5\n",
        "s,1700000000,5,C,ignored\n",
        "sensor_id,1700000000,5\ns,1700000000,5\n",
    ] {
        let stored = stored(&json!({}), text);
        assert!(stored.contains(&one("s", "value", 5.0)[0]), "{text}");
    }
    for text in [
        "",
        "\n\n",
        "sensor_id,timestamp,value",
        "sensor_id,timestamp,value\r\n,,\n",
    ] {
        assert_eq!(stored(&json!({}), text), [], "{text:?}");
    }
}

#[test]
fn columns_are_found_by_name_or_by_position() {
    let narrow = "when|who|what|how much\n1700000000|s|m|5\n";
    let named = json!({
        "delimiter": "|", "sensor": { "column": "who" }, "time": "when",
        "values": ["how much"], "metric": "what",
    });
    assert_eq!(stored(&named, narrow), one("s", "m", 5.0));
    let positions = json!({
        "delimiter": "|", "sensor": { "column": 2 }, "time": 1, "values": [4], "metric": 3,
    });
    assert_eq!(stored(&positions, narrow), one("s", "m", 5.0));
    assert_eq!(stored(&positions, "1700000000|s|m|5\n"), one("s", "m", 5.0));
}

#[test]
fn a_metric_is_called_like_its_column_unless_it_has_a_name() {
    let text = "t,a,b\n1700000000,1,2\n";
    let metrics = |values: Value| {
        let settings = json!({ "sensor": { "fixed": "s" }, "time": 1, "values": values });
        let stored = stored(&settings, text);
        stored
            .into_iter()
            .map(|(_, metric, _, value)| (metric, value))
            .collect::<Vec<_>>()
    };
    let two = |one: &str, two: &str| vec![(one.to_owned(), 1.0), (two.to_owned(), 2.0)];
    assert_eq!(metrics(json!(["a", "b"])), two("a", "b"));
    assert_eq!(metrics(json!([2, 3])), two("a", "b"));
    assert_eq!(
        metrics(json!([{ "column": 2, "metric": "x" }, { "column": "b", "metric": "y" }])),
        two("x", "y")
    );
    assert_eq!(metrics(json!([2])), [("value".to_owned(), 1.0)]);
    assert_eq!(metrics(json!(["a"])), [("a".to_owned(), 1.0)]);
}

#[test]
fn the_sensor_may_be_the_files_name() {
    let profile = profile(&json!({ "sensor": "file_name" }));
    for (key, sensor) in [
        ("incoming/a b/pump 7.csv", "pump 7"),
        ("pump.csv.gz", "pump"),
        ("pump.CSV.GZ", "pump"),
        ("pump", "pump"),
        ("in/ä🌡.v2.csv", "ä🌡.v2"),
        ("rejected-rows/incoming/pump.csv~0123456789abcdef", "pump"),
        ("pump~1.csv", "pump~1"),
    ] {
        for text in ["timestamp,value\n1700000000,5\n", "1700000000,5\n"] {
            let outcome = read_pieces([text.as_bytes()], &profile, &terms(), key);
            assert_eq!(outcome.stored(), one(sensor, "value", 5.0), "{key}");
        }
    }
    let error = ingest::table::Rules::new(&profile, "incoming/.csv").unwrap_err();
    assert_eq!(error, "the sensor `` is empty");
}

#[test]
fn a_header_that_lacks_a_column_is_said_so_in_one_line() {
    assert_eq!(
        problem(&json!({}), "device,timestamp,value\ns,1700000000,5\n"),
        "line 1 names no column `sensor_id`, which the profile uses; \
         it has: device, timestamp, value (it is no row of data either)"
    );
    assert_eq!(
        problem(&json!({ "header": "yes" }), "s,1700000000,5\n"),
        "line 1 names no column `sensor_id`, which the profile uses; it has: s, 1700000000, 5"
    );
    assert_eq!(
        problem(&json!({}), "sensor_id,value,timestamp,Value,value\n"),
        "line 1 names the column `value` 2 times (it is no row of data either)"
    );
    assert_eq!(
        problem(
            &json!({ "header": "no", "sensor": { "column": 1 }, "time": 2, "values": [4] }),
            "s,1,2\n"
        ),
        "line 1 has 3 columns, and the profile uses column 4"
    );
    assert_eq!(
        problem(&json!({ "time": "when" }), "s,1700000000,5\n"),
        "line 1 names no column `sensor_id`, which the profile uses; \
         it has: s, 1700000000, 5 (it is no row of data either)"
    );
    assert_eq!(
        problem(
            &json!({ "sensor": { "fixed": "s" }, "time": 1, "values": [2, 3] }),
            "1700000000,5,6\n"
        ),
        "the profile gives column 2 no metric, and the file has no header"
    );
    assert_eq!(
        problem(
            &json!({ "sensor": { "fixed": "s" }, "time": 1, "values": [2, 3] }),
            "t,a,a\n1700000000,5,6\n"
        ),
        "two columns have the metric `a`"
    );
}

#[test]
fn a_wrong_delimiter_is_named_with_the_one_to_set() {
    let separated = |by: &str, written: &str| {
        format!("it looks {by}-separated; set `delimiter = \"{written}\"` in the profile `test`")
    };
    let semicolon = separated("`;`", ";");
    for text in [
        "sensor_id;timestamp;value\ns;1700000000;5\n",
        "\n\nsensor_id;timestamp;value\n",
        "Sensor_ID ; Timestamp;\"Value\"",
        "s;1700000000;5\n",
        "s;2023-11-14T22:13:20;5,5\n",
        // Cut at its decimal commas, it has the three columns that are wanted.
        "1,5;2023-11-14T22:13:20;2,5\n",
    ] {
        assert_eq!(problem(&json!({}), text), semicolon, "{text}");
    }
    for (text, expected) in [
        ("sensor_id\ttimestamp\tvalue\n", separated("tab", "\\t")),
        ("sensor_id|timestamp|value\n", separated("`|`", "|")),
    ] {
        assert_eq!(problem(&json!({}), text), expected);
    }
    assert_eq!(
        problem(&json!({ "delimiter": ";" }), "sensor_id,timestamp,value\n"),
        separated("`,`", ",")
    );
    for settings in [
        json!({ "sensor": "file_name", "time": 1, "values": [2] }),
        json!({ "sensor": "file_name", "time": 1, "values": [2], "header": "no" }),
    ] {
        assert_eq!(problem(&settings, "1700000000;5\n"), semicolon);
        assert_eq!(problem(&settings, "2023-11-14;1,5\n"), semicolon);
    }
    assert_eq!(
        problem(&json!({}), "sensor_id;type;timestamp;P1\n"),
        format!(
            "{semicolon}; cut there, line 1 names no column `value`, which the profile uses; it \
             has: sensor_id, type, timestamp, P1 (it is no row of data either)"
        )
    );
    let built_in = read(b"sensor_id;timestamp;value\n", Profile::built_in());
    assert_eq!(
        built_in.seen.problem.unwrap(),
        "it looks `;`-separated; give such files a profile with `delimiter = \";\"`"
    );
}

#[test]
fn a_bad_first_row_is_not_taken_for_one_of_another_delimiter() {
    let settings =
        json!({ "sensor": "file_name", "time": 1, "values": [{ "column": 2, "metric": "t" }] });
    let text = "0000-00-00 00:00:00,21.5,door open; fan off\n2023-11-14T22:13:20Z,21.5,\n";
    let outcome = read(text.as_bytes(), &profile(&settings));
    assert_eq!(outcome.seen.problem, None);
    assert_eq!(outcome.seen.counts.rejected, 1);
}
