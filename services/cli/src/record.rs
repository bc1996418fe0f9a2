//! A file's way as one line of JSON. Pure.

use jiff::Timestamp;
use proto::{Event, FileId};
use serde::Serialize;
use serde_json::Value;

/// What became of a file, step by step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Record {
    /// File id.
    pub(crate) id: FileId,
    /// Bucket it was uploaded to.
    pub(crate) bucket: String,
    /// Key it was uploaded as.
    pub(crate) key: String,
    /// The last event about it.
    pub(crate) state: &'static str,
    /// Every event about it.
    pub(crate) steps: Vec<Step>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Step {
    /// What happened.
    pub(crate) event: &'static str,
    /// When that was stored.
    pub(crate) time: Timestamp,
    /// What the event says, the file apart.
    pub(crate) data: Value,
}

impl Record {
    /// From a file's first event.
    pub(crate) fn begin(event: &Event, stored: Timestamp) -> Self {
        let (file, _) = event.about();
        let mut record = Self {
            id: file.id,
            bucket: file.bucket.clone(),
            key: file.key.clone(),
            state: "",
            steps: vec![],
        };
        record.add(event, stored);
        record
    }

    /// Adds what came next. An event that comes twice is one.
    pub(crate) fn add(&mut self, event: &Event, stored: Timestamp) {
        let what = event.data.what().token();
        if self.steps.iter().any(|step| step.event == what) {
            return;
        }
        let mut data = serde_json::to_value(&event.data).unwrap_or_default();
        let mut data = data.get_mut("data").map(Value::take).unwrap_or_default();
        if let Some(fields) = data.as_object_mut() {
            fields.remove("file");
        }
        self.state = what;
        self.steps.push(Step {
            event: what,
            time: stored,
            data,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::example;

    #[test]
    fn a_record_is_one_line_with_id_state_and_steps() {
        let time: Timestamp = "2026-11-22T15:00:00Z".parse().unwrap();
        let arrived = example::all()
            .into_iter()
            .map(|(_, event)| event)
            .find(|event| event.data.what().token() == "arrived")
            .unwrap();
        let mut record = Record::begin(&arrived, time);
        record.add(&arrived, time);
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["id"], arrived.subject.to_string());
        assert_eq!(value["state"], "arrived");
        assert_eq!(value["steps"].as_array().unwrap().len(), 1);
        assert_eq!(value["steps"][0]["event"], "arrived");
        assert_eq!(value["steps"][0]["data"]["replay"], 0);
        assert_eq!(value["steps"][0]["data"]["file"], Value::Null);
    }
}
