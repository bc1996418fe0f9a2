//! Which spans are there, and what they are called by.

use std::cell::Cell;

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator, ParentBasedSampler, RandomIdGenerator, Sampler, SamplingDecision, SamplingResult,
    ShouldSample,
};
use proto::FileId;
use sha2::{Digest, Sha256};

thread_local! {
    static CHOSEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, but for the spans that are begun under [`Ids::choosing`].
#[derive(Debug)]
pub(super) struct Ids;

impl Ids {
    /// Begins one span by `begin`, with these ids. Neither the SDK's span builder nor its id
    /// generator takes any.
    pub(super) fn choosing<T>(trace: TraceId, span: SpanId, begin: impl FnOnce() -> T) -> T {
        CHOSEN.set(Some((trace, span)));
        let begun = begin();
        CHOSEN.set(None);
        begun
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let random = || RandomIdGenerator::default().new_trace_id();
        CHOSEN.get().map_or_else(random, |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        let random = || RandomIdGenerator::default().new_span_id();
        CHOSEN.get().map_or_else(random, |(_, span)| span)
    }
}

/// The trace of a file.
pub(super) fn trace_of(file: FileId) -> TraceId {
    TraceId::from_bytes(file.bytes())
}

/// The span of an event's publication.
pub(super) fn span_of(event: &str) -> SpanId {
    let digest = Sha256::digest(event.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    SpanId::from_bytes(first)
}

/// A span of another process, or one that is not there yet.
pub(super) fn elsewhere(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(
        trace,
        span,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}

/// By the trace's id alone, so that all services trace the same files, whatever a message's sender
/// has decided.
pub(super) fn sampler(ratio: f64) -> ParentBasedSampler {
    let of_all = Sampler::TraceIdRatioBased(ratio);
    Sampler::parent_based(Roots(of_all.clone()))
        .with_remote_parent_sampled(of_all.clone())
        .with_remote_parent_not_sampled(of_all)
}

/// Whether the file is one of those that are traced.
pub(super) fn is_sampled(ratio: f64, file: FileId) -> bool {
    let of_all = Sampler::TraceIdRatioBased(ratio);
    let kind = SpanKind::Producer;
    let sampled = of_all.should_sample(None, trace_of(file), "", &kind, &[], &[]);
    sampled.decision == SamplingDecision::RecordAndSample
}

/// Spans without a parent: of those that other spans are made for.
#[derive(Clone, Debug)]
struct Roots(Sampler);

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampled = self
            .0
            .should_sample(parent, trace, name, kind, attributes, links);
        match kind {
            // A call that is made for no file: of a listing, a sweep, a start.
            SpanKind::Client | SpanKind::Internal => SamplingResult {
                decision: SamplingDecision::Drop,
                ..sampled
            },
            _ => sampled,
        }
    }
}

/// The span that a context is of, if there is one.
pub(super) fn span_in(context: &Context) -> Option<SpanContext> {
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span, SpanBuilder, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What a message's header says is what every service's sampler decides, for whatever span.
        #[test]
        fn a_files_spans_are_sampled_all_or_none(id in any::<[u8; 16]>(), ratio in 0.0..=1.0_f64) {
            let file = FileId::from_bytes(id);
            prop_assume!(id != [0; 16]);
            let sampled = is_sampled(ratio, file);
            let parent = elsewhere(trace_of(file), span_of("an event"));
            let remote = Context::new().with_remote_span_context(parent);
            for kind in [SpanKind::Producer, SpanKind::Consumer, SpanKind::Client] {
                let of = sampler(ratio);
                let own = of.should_sample(Some(&remote), trace_of(file), "", &kind, &[], &[]);
                prop_assert_eq!(own.decision == SamplingDecision::RecordAndSample, sampled);
            }
        }
    }

    #[test]
    fn a_call_for_no_file_is_no_span_and_a_message_is_the_root_of_its_own() {
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler(1.0))
            .build();
        let tracer = provider.tracer("test");
        for (kind, sampled) in [(SpanKind::Client, false), (SpanKind::Consumer, true)] {
            let span = SpanBuilder::from_name("a span").with_kind(kind);
            let span = span.start_with_context(&tracer, &Context::new());
            assert_eq!(span.span_context().is_sampled(), sampled);
        }
    }

    #[test]
    fn ids_are_chosen_for_one_span_and_no_other() {
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids)
            .with_sampler(sampler(1.0))
            .build();
        let tracer = provider.tracer("test");
        let begin = || {
            SpanBuilder::from_name("a span")
                .with_kind(SpanKind::Producer)
                .start_with_context(&tracer, &Context::new())
        };
        let file = FileId::from_bytes([7; 16]);
        let (trace, span) = (trace_of(file), span_of("an event"));
        let chosen = Ids::choosing(trace, span, begin);
        assert_eq!(
            chosen.span_context().trace_id().to_string(),
            file.to_string()
        );
        assert_eq!(chosen.span_context().span_id(), span);
        let (other, third) = (begin(), begin());
        assert_ne!(other.span_context().trace_id(), trace);
        assert_ne!(
            other.span_context().span_id(),
            third.span_context().span_id()
        );
    }
}
