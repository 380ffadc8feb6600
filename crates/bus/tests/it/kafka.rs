//! The suite on Apache Kafka.

use sqlx::PgPool;

use crate::fixture::Fixture;
use crate::suite::{batches, failures, letters, order, resume, signals, tools};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_keep_their_order_with_hundreds_in_flight() {
    order::keys_keep_their_order_with_hundreds_in_flight(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_key_does_not_delay_the_others() {
    order::a_hot_key_does_not_delay_the_others(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deferred_event_waits_without_a_slot() {
    failures::a_deferred_event_waits_without_a_slot(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_stops_everything_and_buries_nothing() {
    failures::an_outage_stops_everything_and_buries_nothing(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_tries_left_is_buried_once_another_key_succeeds() {
    failures::an_event_without_tries_left_is_buried_once_another_key_succeeds(
        Fixture::kafka().await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_event_is_buried_at_once() {
    failures::a_rejected_event_is_buried_at_once(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undecodable_bytes_are_buried_whole() {
    failures::undecodable_bytes_are_buried_whole(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_release_stops_the_consumer() {
    failures::a_bad_release_stops_the_consumer(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_handler_is_tried_again() {
    failures::a_panicking_handler_is_tried_again(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_key_keep_its_order() {
    failures::letters_of_a_key_keep_its_order(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_in_flight_share_no_key() {
    batches::batches_in_flight_share_no_key(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_leave_events_time_to_gather() {
    batches::batches_leave_events_time_to_gather(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_batch_never_waits_to_gather() {
    batches::the_first_batch_never_waits_to_gather(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_batch_falls_back_to_single_events() {
    batches::a_failing_batch_falls_back_to_single_events(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_leaves_out_what_does_not_decode() {
    batches::a_batch_leaves_out_what_does_not_decode(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_loses_nothing() {
    resume::a_killed_member_loses_nothing(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_under_load() {
    resume::members_come_and_go_under_load(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_while_busy_loses_nothing() {
    resume::a_shutdown_while_busy_loses_nothing(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_handler_ends_with_the_drain_time() {
    resume::a_hanging_handler_ends_with_the_drain_time(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_member_commits_nothing() {
    resume::a_fenced_member_commits_nothing(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_under_pressure() {
    resume::memory_stays_flat_under_pressure(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_counts_what_is_not_finished() {
    tools::lag_counts_what_is_not_finished(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_starts_and_filters_as_told() {
    tools::a_reader_starts_and_filters_as_told(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_following_reader_waits_for_what_comes() {
    tools::a_following_reader_waits_for_what_comes(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_group_resumes() {
    tools::a_reader_of_a_group_resumes(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_what_they_should_be() {
    tools::topics_are_made_what_they_should_be(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_over_the_limit_is_too_large() {
    tools::a_record_over_the_limit_is_too_large(Fixture::kafka().await).await;
}

#[sqlx::test(migrations = false)]
async fn a_parked_key_is_replayed_in_order(pool: PgPool) {
    letters::a_parked_key_is_replayed_in_order(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn an_event_that_arrives_during_a_replay_stays_behind(pool: PgPool) {
    letters::an_event_that_arrives_during_a_replay_stays_behind(Fixture::kafka_with(pool).await)
        .await;
}

#[sqlx::test(migrations = false)]
async fn a_letter_that_fails_again_stops_its_line(pool: PgPool) {
    letters::a_letter_that_fails_again_stops_its_line(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn dropping_the_last_letter_frees_the_key(pool: PgPool) {
    letters::dropping_the_last_letter_frees_the_key(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_parked_key_stays_parked_for_the_next_member(pool: PgPool) {
    letters::a_parked_key_stays_parked_for_the_next_member(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn only_the_group_of_a_letter_handles_its_replay(pool: PgPool) {
    letters::only_the_group_of_a_letter_handles_its_replay(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn open_letters_are_replayed_at_their_rate(pool: PgPool) {
    letters::open_letters_are_replayed_at_their_rate(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_line_longer_than_one_round_is_replayed_whole(pool: PgPool) {
    letters::a_line_longer_than_one_round_is_replayed_whole(Fixture::kafka_with(pool).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_goes_on_through_the_log() {
    signals::the_trace_goes_on_through_the_log(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_links_to_the_traces_of_its_events() {
    signals::a_batch_links_to_the_traces_of_its_events(Fixture::kafka().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_consumer_counts_in_five_metrics() {
    signals::every_consumer_counts_in_five_metrics(Fixture::kafka().await).await;
}

#[sqlx::test(migrations = false)]
async fn a_letter_that_no_topic_takes_back_stays_open(pool: PgPool) {
    letters::a_letter_that_no_topic_takes_back_stays_open(Fixture::kafka_with(pool).await).await;
}

#[sqlx::test(migrations = false)]
async fn a_replay_that_does_not_decode_concerns_its_own_group_only(pool: PgPool) {
    letters::a_replay_that_does_not_decode_concerns_its_own_group_only(
        Fixture::kafka_with(pool).await,
    )
    .await;
}
