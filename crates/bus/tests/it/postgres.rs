//! The suite on PostgreSQL.

use sqlx::PgPool;

use crate::fixture::Fixture;
use crate::suite::{batches, failures, letters, order, resume, signals, tools};

#[sqlx::test(migrations = false)]
async fn keys_keep_their_order_with_hundreds_in_flight(pool: PgPool) {
    order::keys_keep_their_order_with_hundreds_in_flight(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_hot_key_does_not_delay_the_others(pool: PgPool) {
    order::a_hot_key_does_not_delay_the_others(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_deferred_event_waits_without_a_slot(pool: PgPool) {
    failures::a_deferred_event_waits_without_a_slot(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn an_outage_stops_everything_and_buries_nothing(pool: PgPool) {
    failures::an_outage_stops_everything_and_buries_nothing(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn an_event_without_tries_left_is_buried_once_another_key_succeeds(pool: PgPool) {
    failures::an_event_without_tries_left_is_buried_once_another_key_succeeds(
        Fixture::postgres(pool).await,
    )
    .await;
}

#[sqlx::test(migrations = false)]
async fn a_rejected_event_is_buried_at_once(pool: PgPool) {
    failures::a_rejected_event_is_buried_at_once(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn undecodable_bytes_are_buried_whole(pool: PgPool) {
    failures::undecodable_bytes_are_buried_whole(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_bad_release_stops_the_consumer(pool: PgPool) {
    failures::a_bad_release_stops_the_consumer(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_panicking_handler_is_tried_again(pool: PgPool) {
    failures::a_panicking_handler_is_tried_again(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn letters_of_a_key_keep_its_order(pool: PgPool) {
    failures::letters_of_a_key_keep_its_order(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn batches_in_flight_share_no_key(pool: PgPool) {
    batches::batches_in_flight_share_no_key(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn batches_leave_events_time_to_gather(pool: PgPool) {
    batches::batches_leave_events_time_to_gather(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn the_first_batch_never_waits_to_gather(pool: PgPool) {
    batches::the_first_batch_never_waits_to_gather(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_failing_batch_falls_back_to_single_events(pool: PgPool) {
    batches::a_failing_batch_falls_back_to_single_events(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_batch_leaves_out_what_does_not_decode(pool: PgPool) {
    batches::a_batch_leaves_out_what_does_not_decode(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_killed_member_loses_nothing(pool: PgPool) {
    resume::a_killed_member_loses_nothing(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn members_come_and_go_under_load(pool: PgPool) {
    resume::members_come_and_go_under_load(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_shutdown_while_busy_loses_nothing(pool: PgPool) {
    resume::a_shutdown_while_busy_loses_nothing(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_hanging_handler_ends_with_the_drain_time(pool: PgPool) {
    resume::a_hanging_handler_ends_with_the_drain_time(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_fenced_member_commits_nothing(pool: PgPool) {
    resume::a_fenced_member_commits_nothing(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn memory_stays_flat_under_pressure(pool: PgPool) {
    resume::memory_stays_flat_under_pressure(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn lag_counts_what_is_not_finished(pool: PgPool) {
    tools::lag_counts_what_is_not_finished(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_reader_starts_and_filters_as_told(pool: PgPool) {
    tools::a_reader_starts_and_filters_as_told(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_following_reader_waits_for_what_comes(pool: PgPool) {
    tools::a_following_reader_waits_for_what_comes(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_reader_of_a_group_resumes(pool: PgPool) {
    tools::a_reader_of_a_group_resumes(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn topics_are_made_what_they_should_be(pool: PgPool) {
    tools::topics_are_made_what_they_should_be(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_record_over_the_limit_is_too_large(pool: PgPool) {
    tools::a_record_over_the_limit_is_too_large(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_parked_key_is_replayed_in_order(pool: PgPool) {
    letters::a_parked_key_is_replayed_in_order(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn an_event_that_arrives_during_a_replay_stays_behind(pool: PgPool) {
    letters::an_event_that_arrives_during_a_replay_stays_behind(Fixture::postgres(pool).await)
        .await;
}

#[sqlx::test(migrations = false)]
async fn a_letter_that_fails_again_stops_its_line(pool: PgPool) {
    letters::a_letter_that_fails_again_stops_its_line(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn dropping_the_last_letter_frees_the_key(pool: PgPool) {
    letters::dropping_the_last_letter_frees_the_key(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_parked_key_stays_parked_for_the_next_member(pool: PgPool) {
    letters::a_parked_key_stays_parked_for_the_next_member(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn only_the_group_of_a_letter_handles_its_replay(pool: PgPool) {
    letters::only_the_group_of_a_letter_handles_its_replay(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn open_letters_are_replayed_at_their_rate(pool: PgPool) {
    letters::open_letters_are_replayed_at_their_rate(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_line_longer_than_one_round_is_replayed_whole(pool: PgPool) {
    letters::a_line_longer_than_one_round_is_replayed_whole(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_letter_that_no_topic_takes_back_stays_open(pool: PgPool) {
    letters::a_letter_that_no_topic_takes_back_stays_open(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_replay_that_does_not_decode_concerns_its_own_group_only(pool: PgPool) {
    letters::a_replay_that_does_not_decode_concerns_its_own_group_only(
        Fixture::postgres(pool).await,
    )
    .await;
}

#[sqlx::test(migrations = false)]
async fn the_trace_goes_on_through_the_log(pool: PgPool) {
    signals::the_trace_goes_on_through_the_log(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_batch_links_to_the_traces_of_its_events(pool: PgPool) {
    signals::a_batch_links_to_the_traces_of_its_events(Fixture::postgres(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn every_consumer_counts_in_five_metrics(pool: PgPool) {
    signals::every_consumer_counts_in_five_metrics(Fixture::postgres(pool).await).await;
}
