//! What a store guarantees, tried on each engine.
//!
//! Read `cases/` to learn what the contract means: each case is a sentence, and each of them is a test of each engine,
//! under a name such as `sqlite::a_repeat_is_answered_with_the_first`.
//!
//! To add a case: write it in the file of `cases/` that it belongs to, and name it below.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on has failed")]

mod cases;
mod engines;
mod make;
mod steps;

/// Makes a test of each case for each engine that it is about.
macro_rules! conformance {
    (
        every engine { $($file:ident { $($case:ident)* })* }
        engines that outlive the program { $($durable_file:ident { $($durable_case:ident)* })* }
        engines that several nodes share { $($shared_file:ident { $($shared_case:ident)* })* }
    ) => {
        tests_of! { model: InMemory $($(on_store $file::$case)*)* }
        tests_of! { sqlite: Sqlite
            $($(on_store $file::$case)*)*
            $($(on_engine $durable_file::$durable_case)*)*
        }
        tests_of! { postgres: Postgres
            $($(on_store $file::$case)*)*
            $($(on_engine $durable_file::$durable_case)*)*
            $($(on_engine $shared_file::$shared_case)*)*
        }
    };
}

macro_rules! tests_of {
    ($module:ident: $engine:ident $($tried:ident $file:ident::$case:ident)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    crate::engines::$tried::<crate::engines::$engine>(crate::cases::$file::$case).await;
                }
            )*
        }
    };
}

conformance! {
    every engine {
        notes {
            a_note_reaches_whoever_listens_just_then
            a_note_may_be_so_long_and_no_longer
        }
        log {
            an_event_is_there_with_all_that_it_owes
            an_event_comes_back_as_it_was_written
            data_and_raw_bytes_come_back_byte_for_byte
            user_ids_that_look_alike_are_different_users
            a_fresh_delivery_may_be_held_or_claimed_already
            what_does_not_exist_is_not_found
            an_append_of_nothing_is_durable
            the_log_is_dense_and_read_in_order
            the_log_of_a_user_holds_their_events_alone
            a_thousand_events_with_two_deliveries_each_fit_one_append
            a_reader_steps_over_nothing_while_eight_write
        }
        repeats {
            a_repeat_is_answered_with_the_first
            a_repeat_within_one_call_is_one_of_the_first
            of_a_mixed_batch_only_what_is_new_is_owed
            repeats_are_told_apart_in_a_large_batch
            without_a_dedupe_key_every_event_is_new
            of_sixteen_at_once_one_is_the_first
            a_request_sent_again_finds_its_events_kept
            a_key_used_for_another_body_is_refused_by_itself
            a_key_counts_within_one_call_too
            a_key_is_free_again_once_it_expires
            a_request_sent_again_does_not_keep_its_key_for_longer
            a_refused_request_does_not_take_the_key
            of_sixteen_bodies_at_once_one_takes_the_key
        }
        routing {
            under_stale_routes_nothing_is_written
            under_stale_routes_no_key_is_taken
            the_version_moves_with_every_change
            what_changes_nothing_does_not_move_the_version
            what_has_changed_since_a_version_is_read_alone
            changes_that_are_too_old_are_forgotten
            whoever_follows_the_changes_has_all_routes
            no_event_misses_a_subscription_that_was_there
            what_comes_in_while_a_subscription_is_deleted_goes_with_it
            what_comes_in_while_a_subscription_is_paused_is_held
        }
        events {
            events_are_listed_from_the_newest
            each_filter_of_events_finds_what_it_means
            some_events_are_read_whole_but_for_their_raw_bytes
            a_list_ends_at_its_limit
            a_walk_by_one_sees_every_event_once
            events_are_counted_by_time_source_and_type
            counts_begin_and_end_with_the_span_and_the_user
            a_bucket_ends_just_before_the_next_begins
            counts_are_sorted_by_byte_and_not_as_people_sort
        }
        claiming {
            only_what_is_due_is_claimed
            the_longest_due_comes_first
            each_lane_gets_what_it_has_room_for
            three_hundred_lanes_are_served_in_one_call
            what_is_claimed_carries_its_event
            a_retry_is_claimed_when_it_falls_due
            what_is_held_claimed_or_ended_is_not_claimed
            waiting_tells_when_each_lane_falls_due
            what_is_overdue_is_counted_up_to_a_limit
            five_hundred_are_claimed_in_one_call
            of_eight_claimants_each_delivery_goes_to_one
        }
        lines {
            only_the_first_of_a_line_is_claimed
            whatever_has_not_ended_holds_its_line_back
            a_line_belongs_to_one_subscription
            the_log_says_which_is_the_first
            a_retry_by_hand_leaves_the_line
            a_pause_holds_a_line_and_lets_it_go_in_order
            many_lines_are_worked_off_each_in_its_order
            lines_and_what_stands_in_none_share_the_room
        }
        batches {
            a_batch_goes_when_its_first_is_due_or_it_is_full
            what_was_one_batch_stays_one
            what_has_ended_leaves_its_batch
            a_retry_by_hand_leaves_its_batch
            a_batch_is_bounded_by_its_bytes
            a_batch_holds_one_of_each_line
            what_is_held_does_not_keep_the_rest_of_its_batch
        }
        changing {
            a_change_is_written_with_its_attempt
            a_change_that_comes_too_late_leaves_nothing
            a_holder_may_change_its_deadline
            who_was_just_given_more_time_keeps_it
            each_change_of_a_call_counts_by_itself
            every_field_of_a_delivery_is_kept
            every_field_of_an_attempt_is_kept
            an_attempt_is_written_once
            seven_hundred_changes_fit_one_call
            of_two_decisions_at_once_one_counts
        }
        statistics {
            a_new_subscription_has_none
            every_delivery_counts_once
            a_success_is_counted_with_its_time
            they_follow_a_delivery_through_its_life
            calling_off_is_neither_success_nor_failure
            the_changes_of_one_call_add_up
            failures_last_until_a_success
            who_fails_for_too_long_is_found
        }
        hours {
            what_happened_is_counted_in_its_hour
            a_change_that_comes_too_late_counts_in_no_hour
            a_users_hours_are_those_of_their_subscriptions
            what_is_owed_is_noted_in_its_hour
            old_hours_go_a_few_at_a_time
        }
        deliveries {
            deliveries_are_listed_from_the_newest
            each_filter_of_deliveries_finds_what_it_means
            a_walk_by_one_sees_every_delivery_once
            a_claim_lapses_at_its_deadline
            a_dead_nodes_claims_lapse_at_once
            an_expired_delivery_is_anybodys_again
        }
        subscriptions {
            a_subscription_comes_back_as_it_was_written
            a_subscription_can_be_changed
            a_change_counts_only_on_top_of_what_it_has_seen
            an_id_is_given_once
            subscriptions_are_listed_from_the_newest
            a_pause_holds_what_waits_until_it_ends
            what_is_inactive_or_paused_stays_held
            a_change_of_terms_leaves_what_waits_alone
            deleting_calls_off_what_is_open
            deleting_keeps_the_history
        }
        keys {
            a_key_is_found_by_its_digest
            a_revoked_key_opens_nothing
            keys_are_listed_from_the_newest
            a_key_is_given_once
        }
        event_types {
            an_event_type_comes_back_as_it_was_described
            an_owner_describes_a_type_once
            catalogues_are_apart
        }
        nodes {
            a_beat_counts_up
            no_beat_is_lost_among_many
            only_a_silent_node_is_forgotten
        }
        sources {
            a_source_comes_back_as_it_was_written
            a_source_is_changed_on_top_of_what_was_seen
            a_removed_source_is_gone_and_stays_so
            sources_are_listed_from_the_newest
            every_change_moves_the_version_of_the_sources
            an_address_is_given_once
        }
        connections {
            a_connection_comes_back_as_it_was_written
            an_account_is_connected_once_by_each_user
            a_connection_is_changed_on_top_of_what_was_seen
            settings_are_written_beside_whatever_changes_a_connection
            a_removed_connection_takes_its_tasks_along
            connections_are_listed_from_the_newest
            whoever_has_an_account_is_found_by_it
        }
        registrations {
            a_registration_comes_back_as_it_was_written
            a_basis_has_one_registration_of_each_place
            a_registration_rings_for_its_place
            a_registration_is_changed_on_top_of_what_was_seen
            registrations_are_found_from_the_newest
            a_connection_without_registrations_is_forgotten_at_once
            a_removed_connection_goes_with_the_last_of_its_registrations
            of_the_last_two_removed_at_once_one_takes_the_connection_along
        }
        tasks {
            what_is_due_is_claimed_the_longest_due_first
            a_claim_that_lapses_is_claimed_again_and_fences_the_first_off
            a_settled_task_remembers_what_it_was_told
            moving_a_task_takes_it_from_its_claimant
            the_next_time_is_that_of_the_first_task
            a_task_is_dropped_by_its_claimant_unless_somebody_rings
            of_eight_claimants_each_task_goes_to_one
            a_ring_is_heard_at_once_or_as_soon_as_the_task_is_settled
            a_ring_outlives_a_claimant_who_dies
            a_claim_can_be_kept_for_longer
            a_finished_sync_is_noted_and_overtakes_nobody
            a_kind_that_rests_is_claimed_by_nobody
            a_rest_is_lengthened_and_never_cut_short
            a_rest_ends_with_its_cause
            a_sync_ends_while_its_connection_is_authorized
            what_is_spent_stays_spent_until_it_expires
        }
        inbox {
            a_conversation_and_a_message_come_back_as_they_were_written
            a_step_is_written_whole_or_not_at_all
            a_message_has_its_providers_id_once
            what_is_called_for_comes_with_the_step
            conversations_are_listed_from_the_latest_message
            messages_that_have_come_in_are_listed_from_the_latest
            what_waits_to_be_sent_is_found
            the_inbox_follows_what_it_is_about_and_nothing_else
            of_eight_steps_at_once_one_is_taken
            emails_are_written_found_and_listed
        }
        rejections {
            a_rejection_comes_back_as_it_was_written
            rejections_are_listed_from_the_newest
            the_oldest_rejections_go_by_age_and_by_number
            too_many_rejections_at_once_are_none
        }
        sealed {
            every_secret_is_walked_past_and_can_be_sealed_anew
            a_secret_that_has_changed_meanwhile_is_left_alone
        }
        retention {
            what_is_oldest_is_walked_in_order
            an_event_goes_with_all_that_belongs_to_it
            it_is_known_up_to_where_events_have_been_removed
            an_event_that_is_still_owed_stays
            no_position_is_given_out_again
            what_comes_again_after_its_event_has_gone_is_new
            a_fan_out_of_a_thousand_goes_at_once
            expired_idempotency_keys_go_a_few_at_a_time
        }
        owing {
            a_past_event_is_owed_and_can_be_claimed
            only_what_is_missing_is_owed_again
            what_has_gone_or_was_decided_too_early_is_not_owed
        }
        jobs {
            a_job_comes_back_as_it_was_written
            a_job_is_written_on_top_of_what_was_seen
            a_step_is_written_with_its_decisions_or_not_at_all
            what_a_job_owes_is_written_with_its_progress
            a_subscription_and_its_start_are_there_together
            jobs_are_listed_and_go_when_they_have_ended
            a_span_is_walked_with_how_each_event_stands
            each_filter_of_past_deliveries_finds_and_counts_what_it_means
        }
        calling {
            an_abandoned_append_is_whole_or_nothing
            statements_are_counted
        }
    }
    engines that outlive the program {
        reopening {
            nothing_is_lost_and_nothing_comes_back
            the_log_goes_on_where_it_ended
            a_repeat_is_still_known
            stale_routes_stay_stale
        }
        lines { a_line_outlives_the_program }
        batches { a_batch_outlives_the_program }
    }
    engines that several nodes share {
        sharing {
            what_one_node_keeps_the_other_sees
            a_note_reaches_who_listens_at_any_node
            a_change_of_routes_reaches_the_other_node
            a_delivery_goes_to_one_node
            of_three_nodes_each_task_goes_to_one
            a_reader_steps_over_nothing_that_another_node_writes
        }
        lines { nodes_share_lines_without_breaking_them }
        batches { nodes_share_batches_without_breaking_them }
    }
}
