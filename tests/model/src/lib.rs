//! The protocol as small models. A checker ([`stateright`]) goes every way that each of them can
//! go, to the last state.
//!
//! | module | of | what it looks at |
//! |---|---|---|
//! | [`outcome`] | `services/runtime` | one cell of a step: redelivery, advisory, mark, sweep |
//! | [`order`] | `services/watcher` | identity and order time: row, `HEAD`, compare-and-set |
//! | [`sweep`] | `services/watcher` | what is stuck, and what merely waits |
//! | [`decision`] | `services/ingest` | decide, then write |
//! | [`command`] | `services/ingest` | which command counts; a retraction, and what comes after it |
//! | [`filing`] | `services/mover` | claim, copy, verify, look again, delete |
//! | [`refiling`] | `services/mover` | a replay's move beside a late one of the first way |
//! | [`mail`] | `services/notifier` | the mail's row, its schedule, the claim |
//! | [`way`] | all of them | every journalled version ends, once |
//!
//! A model has the rules of the code, and its properties hold in all of its states. It also has
//! each rule in a weaker form (its `Weaker`), one at a time; for each a test demands that the
//! checker finds the way on which the property breaks. So a model that has stopped seeing things
//! fails, and whoever wants to know what a rule is for reads its way:
//! `cargo test --package model -- --nocapture`.
//!
//! Whatever may go wrong does so a bounded number of times, and every way ends: [`explore`]
//! demands both that all states were seen and that no way leads round in a circle. Then "from every
//! state all ends well" is the same as "whatever state has nothing left to be done has ended well",
//! and the properties that say so ask just that. (The checker's own `eventually` misses what breaks
//! on a way that joins another.) States are told apart by 64-bit digests.
//!
//! The code itself is tried in the same manner where it is a function without I/O: the tests of
//! `watcher::look`, `mover::progress` and `notifier`. What a model leaves out, its module says.
//!
//! # The weaker rules
//!
//! | weaker rule | property that breaks | test |
//! |---|---|---|
//! | `failed` published straight from an advisory | [`outcome::ONE_OUTCOME`] | `outcome::tests::failed_straight_from_an_advisory_is_a_second_outcome` |
//! | each run publishes its own answer | [`outcome::ONE_OUTCOME`] | `outcome::tests::publishing_ones_own_answer_makes_two_outcomes` |
//! | the later outcome stays | [`outcome::SAID_AS_STORED`] | `outcome::tests::a_cell_that_is_overwritten_belies_what_was_published` |
//! | the duplicate window in place of the cell | [`outcome::ONE_OUTCOME`] | `outcome::tests::the_duplicate_window_alone_lets_two_outcomes_through` |
//! | the input acknowledged before the output | [`outcome::ACKNOWLEDGED_LAST`] | `outcome::tests::an_input_acknowledged_first_is_acknowledged_for_nothing` |
//! | the mark before the publication | [`outcome::ENDS`] | `outcome::tests::a_mark_written_first_hides_what_was_never_published` |
//! | no sweep of what has no mark | [`outcome::ENDS`] | `outcome::tests::without_the_sweep_an_outcome_whose_input_is_lost_is_never_published` |
//! | `HEAD` before the row is read | [`order::LATER`] | `order::tests::a_head_before_the_row_gives_the_earlier_version_the_later_order_time` |
//! | whole seconds mixed with finer ones, the key's last not exceeded | [`order::LATER`] | `order::tests::order_times_of_their_own_let_an_earlier_version_win` |
//! | the row written plainly | [`order::LATER`] | `order::tests::a_row_written_whoever_wrote_it_meanwhile_orders_two_versions_alike` |
//! | the outcome settled before the row | [`order::LATER`] | `order::tests::an_outcome_settled_before_the_row_leaves_no_trace_of_its_order_time` |
//! | a notification believed without `HEAD` | [`order::LATER`] | `order::tests::a_late_notification_taken_at_its_word_comes_after_what_replaced_it` |
//! | a version that is back ordered last | [`order::LATER`] | `order::tests::a_version_that_comes_to_light_again_is_not_the_latest` |
//! | each watcher publishes its own event | [`order::SAID_AS_STORED`] | `order::tests::publishing_ones_own_event_tells_of_one_version_in_two_ways` |
//! | a journal without marks | [`order::SAID`] | `order::tests::without_marks_a_journalled_version_that_was_replaced_is_never_published` |
//! | no listing | [`order::KNOWN`] | `order::tests::without_the_sweep_a_lost_notification_leaves_a_version_unknown` |
//! | the notification acknowledged before the event | [`order::ACKNOWLEDGED_LAST`] | `order::tests::a_notification_acknowledged_first_is_acknowledged_for_nothing` |
//! | the sweep publishes again whatever it sees | [`sweep::THREE_TIMES`] | `sweep::tests::a_sweep_that_publishes_whatever_it_sees_does_so_without_end` |
//! | age alone is stuck | [`sweep::WAITING`] | `sweep::tests::a_sweep_that_looks_at_the_age_alone_repeats_what_waits` |
//! | the last event alone must be acknowledged | [`sweep::WAITING`] | `sweep::tests::a_sweep_that_looks_at_the_last_event_alone_repeats_what_waits_for_the_mover` |
//! | what has failed is stuck too | [`sweep::ENDED`] | `sweep::tests::a_sweep_that_does_not_ask_for_the_end_repeats_what_has_failed` |
//! | not counted | [`sweep::THREE_TIMES`] | `sweep::tests::a_sweep_that_does_not_count_repeats_without_end` |
//! | counted after the publication | [`sweep::THREE_TIMES`] | `sweep::tests::a_sweep_that_counts_last_forgets_to_when_it_dies` |
//! | a settled step never says its outcome again | [`sweep::MADE_UP`] | `sweep::tests::a_step_that_says_its_outcome_once_cannot_make_up_for_a_loss` |
//! | nobody asks what became of known files | [`sweep::ENDS`] | `sweep::tests::without_the_sweep_what_the_stream_lost_stays_lost` |
//! | ingest decides anew on redelivery | [`decision::REFUSED`] | `decision::tests::deciding_anew_leaves_rows_of_a_refused_file` |
//! | the same, and the file was replaced | [`decision::SUPERSEDED`] | `decision::tests::deciding_anew_says_that_a_file_replaced_meanwhile_left_no_rows` |
//! | rows before the decision | [`decision::DECIDED`] | `decision::tests::rows_written_before_the_decision_are_nobodys` |
//! | a second pass by today's profile | [`decision::DECIDED`] | `decision::tests::a_second_pass_by_todays_profile_mixes_two_readings_of_a_file` |
//! | a second pass over any version | [`decision::DECIDED`] | `decision::tests::a_second_pass_over_any_version_writes_anothers_rows` |
//! | `ingested` before the rows | [`decision::DURABLE`] | `decision::tests::ingested_said_first_promises_rows_that_are_not_there` |
//! | `superseded` without a number of rows | [`decision::SUPERSEDED`] | `decision::tests::superseded_without_a_number_hides_rows` |
//! | what was read for a decision that does not count is written | [`decision::DECIDED`] | `decision::tests::what_was_read_for_another_decision_is_not_to_be_written` |
//! | each command obeyed by who has its message | [`command::SAID`] | `command::tests::commands_that_are_each_obeyed_take_out_what_the_other_says_is_there` |
//! | a retraction of whatever the file has | [`command::LATER`] | `command::tests::a_retraction_without_bounds_that_comes_late_takes_out_what_a_later_way_wrote` |
//! | a retraction counts anew with each try | [`command::COUNTED`] | `command::tests::a_retraction_that_counts_anew_forgets_what_it_took_out_before_it_died` |
//! | delete by ETag without a last look | [`filing::OWN`] | `filing::tests::a_delete_by_etag_alone_takes_the_third_of_a_b_a` |
//! | (the code as it is, without versions: the documented gap) | [`filing::OWN`] | `filing::tests::without_versions_the_same_bytes_uploaded_in_the_gap_are_taken_for_the_first` |
//! | delete without a condition | [`filing::KEPT`] | `filing::tests::a_delete_without_condition_takes_a_version_that_nobody_has_copied` |
//! | read without a condition | [`filing::TRUE_BYTES`] | `filing::tests::a_read_without_condition_files_another_versions_bytes` |
//! | a copy not verified | [`filing::KEPT`] | `filing::tests::a_copy_that_is_not_verified_is_all_that_is_left` |
//! | destination decided by looking, two look at once | [`filing::KEPT`] | `filing::tests::a_destination_decided_by_looking_is_anothers_by_then` |
//! | destination decided by looking, retention frees it | [`filing::FILED`] | `filing::tests::a_destination_decided_by_looking_is_free_again_for_the_second_try` |
//! | a name passed over without a note | [`filing::FILED`] | `filing::tests::a_name_passed_over_and_forgotten_is_taken_the_second_time` |
//! | `gone` after a look at one name | [`filing::KEPT`] | `filing::tests::gone_said_after_a_look_at_one_name_removes_what_lies_under_the_other` |
//! | late copies left behind | [`filing::FILED`] | `filing::tests::without_tidying_a_file_said_to_be_gone_has_a_copy` |
//! | a replay that reads the source only | [`refiling::FOUND`] | `refiling::tests::a_replay_that_looks_at_the_source_only_misses_the_copy` |
//! | a replay that reads the copies only | [`refiling::FOUND`] | `refiling::tests::a_replay_that_looks_at_the_copies_only_misses_the_source` |
//! | lower copies never removed | [`refiling::FILED`] | `refiling::tests::lower_copies_never_removed_lie_beside_the_replays` |
//! | lower copies removed before the own one is there | [`refiling::KEPT`] | `refiling::tests::lower_copies_removed_first_are_the_last` |
//! | lower copies removed before the source | [`refiling::FILED`] | `refiling::tests::lower_copies_removed_before_the_source_come_back` |
//! | a replay while the way before is not at its end | [`refiling::KEPT`] | `refiling::tests::a_replay_beside_a_way_that_tidies_up_loses_the_copy` |
//! | the claim written plainly | [`mail::ONE_MAIL`] | `mail::tests::a_claim_written_plainly_sends_two_mails` |
//! | the claim after the body | [`mail::ONE_MAIL`], [`mail::CLAIMED`] | `mail::tests::a_body_before_its_claim_goes_out_twice`, `…_has_none` |
//! | `unknown` as soon as another's claim is seen | [`mail::NEEDLESS`] | `mail::tests::anothers_claim_ended_at_sight_is_unknown_for_nothing` |
//! | a claim taken over | [`mail::ONE_MAIL`] | `mail::tests::a_claim_taken_over_sends_two_mails` |
//! | another try after a cut in the body | [`mail::ONE_MAIL`] | `mail::tests::a_mail_tried_again_after_a_cut_is_taken_twice` |
//! | schedules with `Nats-Msg-Id` | [`mail::ENDS`] | `mail::tests::a_schedule_with_a_message_id_is_dropped_and_the_mail_stays` |
//! | an early wake acknowledged | [`mail::ENDS`] | `mail::tests::an_early_wake_that_is_acknowledged_is_the_last` |
//! | a wake ordered only with the row | [`mail::ENDS`] | `mail::tests::a_wake_ordered_only_with_the_row_is_lost_with_its_creator` |
//! | on the whole way: no marks | [`way::ENDS`] | `way::tests::without_marks_a_journalled_version_never_ends` |
//! | on the whole way: no listing | [`way::KNOWN`] | `way::tests::without_listings_a_version_stays_unknown` |
//! | on the whole way: messages acknowledged first | [`way::ENDS`] | `way::tests::a_message_acknowledged_first_leaves_its_file_on_the_way` |
//! | on the whole way: `failed` from an advisory | [`way::ONE_OUTCOME`] | `way::tests::failed_straight_from_an_advisory_is_a_second_outcome` |
//! | on the whole way: deciding anew | [`way::ROWS`] | `way::tests::deciding_anew_says_that_there_are_no_rows_where_there_are` |
//! | rows ordered by the time of writing | [`way::ROWS`] | `way::tests::rows_by_the_wall_clock_let_an_earlier_upload_win` |
//! | deleted before it is copied | [`way::KEPT`] | `way::tests::a_delete_before_the_copy_loses_the_version_with_the_mover` |
//! | on the whole way: a claim taken over | [`way::ONE_MAIL`] | `way::tests::a_claim_taken_over_sends_two_mails` |

pub mod command;
pub mod decision;
mod explore;
pub mod filing;
pub mod mail;
pub mod order;
pub mod outcome;
pub mod refiling;
pub mod sweep;
pub mod way;

pub use explore::{Explored, explore, find};

#[cfg(test)]
mod tests;
