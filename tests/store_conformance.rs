//! What every store promises, tried on each: one suite of functions over `Store`, run on SQLite and on
//! PostgreSQL.
//!
//! `check!` names the functions once and makes a test of each for either store. What only SQLite can
//! get wrong (its directory, its files, kill -9) follows in `sqlite`.
#![expect(
    clippy::unwrap_used,
    reason = "tests: a panic is how a test says no, in their helpers too"
)]

#[path = "store_conformance/adoption.rs"]
mod adoption;
#[path = "store_conformance/approvals.rs"]
mod approvals;
#[path = "store_conformance/brake.rs"]
mod brake;
#[path = "store_conformance/callers.rs"]
mod callers;
#[path = "store_conformance/claims.rs"]
mod claims;
#[path = "store_conformance/common.rs"]
mod common;
#[path = "store_conformance/due.rs"]
mod due;
#[path = "store_conformance/fact_lists.rs"]
mod fact_lists;
#[path = "store_conformance/fact_rows.rs"]
mod fact_rows;
#[path = "store_conformance/facts.rs"]
mod facts;
#[path = "store_conformance/facts_model.rs"]
mod facts_model;
#[path = "store_conformance/log.rs"]
mod log;
#[path = "store_conformance/policies.rs"]
mod policies;
#[allow(dead_code, reason = "the tests of replicas use more of it")]
#[path = "common/postgresql.rs"]
mod postgresql;
#[path = "store_conformance/readings.rs"]
mod readings;
#[path = "store_conformance/reads.rs"]
mod reads;
#[path = "store_conformance/shared.rs"]
mod shared;
#[path = "store_conformance/slots.rs"]
mod slots;
#[path = "store_conformance/sqlite.rs"]
mod sqlite;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of services use more of it"
)]
#[path = "common/store_rows.rs"]
mod store_rows;

use common::Shelf;

/// Makes two tests of each function, one on each store: it gets a fresh one that it may close and open again.
macro_rules! check {
    ($($module:ident :: $name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $module::$name(Shelf::sqlite().await).await;
            }
        )*

        /// The same on PostgreSQL.
        mod on_postgres {
            use super::common::Shelf;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$module::$name(Shelf::postgres().await).await;
                }
            )*
        }
    };
}

/// Makes a test of each function on SQLite alone, where a store that opens is the only one.
macro_rules! check_sqlite {
    ($($module:ident :: $name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $module::$name(Shelf::sqlite().await).await;
            }
        )*
    };
}

check_sqlite! {
    claims::a_restart_clears_leases,
    facts::batches_of_facts_void_no_answer,
    slots::a_restart_keeps_the_slots_of_pending_changes_alone,
}

check! {
    approvals::a_word_is_written_with_what_it_makes_of_the_grant,
    approvals::a_decision_on_an_older_grant_changes_nothing,
    approvals::a_second_word_counts_only_as_an_objection,
    approvals::a_persons_own_word_and_one_for_that_person_are_two,
    adoption::what_is_going_or_held_is_not_taken_over,
    approvals::a_repeated_decision_is_the_first_one,
    approvals::of_many_decisions_at_once_one_is_made,
    approvals::what_waits_is_found_by_its_scope_and_in_its_time,
    approvals::a_wish_for_more_time_comes_back_and_has_words_of_its_own,
    brake::an_intent_that_is_frozen_is_parked_until_unfreeze,
    brake::a_restored_store_is_frozen_until_each_instance_is_let_go,
    brake::what_may_be_on_its_way_is_counted_until_it_is_answered,
    brake::freezing_what_is_frozen_changes_nothing,
    brake::a_retry_makes_a_waiting_grant_due,
    brake::a_beneficiarys_active_grants_end_and_no_others,
    brake::what_is_held_ends_nobody_until_it_is_confirmed,
    brake::every_state_of_a_mass_change_is_an_event,
    callers::a_grant_is_recorded_with_its_event_and_is_due,
    callers::fifty_equal_requests_at_once_record_one_grant,
    callers::a_request_id_with_other_content_is_reused,
    callers::a_request_id_counts_per_caller_and_subject,
    callers::a_revocation_ends_once_and_repeats_its_answer,
    callers::a_refused_revocation_leaves_its_request_id_free,
    callers::a_removal_ends_every_grant_and_repeats_its_answer,
    callers::a_removal_of_what_usher_never_touched_makes_a_record,
    callers::requests_are_forgotten_by_age,
    callers::a_dropped_write_happens_wholly_or_not_at_all,
    callers::everything_is_found_again_after_a_restart,
    claims::due_work_is_claimed_once_and_oldest_first,
    claims::one_target_is_claimed_once_at_a_time,
    claims::racing_holders_never_share_a_claim_or_a_target,
    claims::a_lease_that_is_over_goes_to_another,
    claims::a_step_is_written_with_its_grants_and_events,
    claims::a_callers_write_makes_the_holder_stale,
    claims::renewing_keeps_the_version_until_a_caller_writes,
    claims::an_older_reading_of_ones_own_claim_is_stale,
    claims::a_released_assignment_is_due_when_its_record_says,
    claims::the_next_due_time_waits_for_claimed_targets,
    due::ends_come_before_provisioning,
    due::what_is_over_is_no_end_any_more,
    due::another_instances_work_is_left_alone,
    due::each_instance_has_its_own_share_of_claims,
    due::each_kind_of_work_is_claimed_and_counted_by_itself,
    due::a_second_look_comes_as_early_as_an_end,
    due::due_work_is_counted,
    facts::a_collection_is_seen_when_it_is_finished_and_not_before,
    facts::only_changes_are_written,
    facts::what_a_crash_leaves_of_a_collection_is_undone,
    facts::a_collection_that_is_given_up_leaves_nothing,
    facts::facts_that_do_not_come_next_are_refused,
    facts::much_that_is_gone_is_closed_a_batch_at_a_time,
    facts::nothing_is_closed_within_a_gap,
    facts::a_time_leads_to_the_last_collection_that_had_ended,
    facts::what_differs_between_two_days_is_told_page_by_page,
    facts::facts_are_found_by_either_key_page_by_page,
    facts::what_is_forgotten_is_what_no_kept_collection_needs,
    facts::erased_names_are_in_no_fact_of_any_day,
    fact_lists::what_came_and_went_in_a_period_is_told_page_by_page,
    fact_lists::a_stretch_of_assignments_comes_with_names_and_what_holds_them,
    fact_lists::the_first_collection_that_lacks_nothing_stays_known,
    fact_lists::when_there_was_something_with_a_second_key_is_told,
    fact_lists::grants_that_stood_in_a_period_are_told_by_their_ids,
    facts_model::random_collections_read_as_a_plain_list_of_snapshots,
    log::events_are_chained_in_their_order_and_nothing_else_is_read,
    log::one_holder_at_a_time_lengthens_the_log,
    log::racing_sequencers_never_fork_the_log,
    log::the_newest_heads_are_kept,
    log::old_events_go_from_the_beginning_behind_a_checkpoint,
    log::a_time_and_a_grant_lead_to_their_records,
    log::erased_names_leave_the_log_as_it_is,
    policies::a_policy_set_is_kept_once_and_every_load_is_known,
    policies::a_set_that_does_not_load_is_told_once_until_one_loads,
    policies::refused_calls_stand_in_the_one_log_and_in_no_timeline,
    readings::a_reading_is_there_when_all_of_its_pages_are,
    readings::the_newest_reading_counts,
    readings::what_an_interrupted_run_read_is_found_until_another_is_finished,
    readings::a_finished_run_keeps_nothing_more,
    readings::old_readings_are_forgotten_a_batch_at_a_time,
    readings::erased_names_are_in_no_reading,
    reads::grants_page_newest_first_within_a_filter,
    reads::open_grants_and_records_keep_to_their_scope,
    reads::events_are_read_as_written_newest_kept,
    reads::grants_are_counted_by_state_with_what_is_overdue,
    reads::names_keep_the_latest_reading,
    reads::a_secret_is_made_once,
    reads::unknown_things_are_none,
    reads::a_closed_store_is_unavailable,
    reads::every_field_comes_back,
    slots::no_more_than_the_limit_is_claimed_or_pending,
    slots::a_slot_is_given_back_with_the_claim_or_the_change,
    slots::a_pending_change_is_claimed_although_every_slot_is_taken,
    slots::ends_take_the_slots_first,
    slots::break_glass_takes_the_slot_that_is_kept_for_ends,
    slots::the_last_slots_are_kept_for_ends,
    slots::one_account_may_have_several_changes_under_way,
    slots::what_is_pending_is_read_and_made_due,
    slots::a_change_that_could_not_be_asked_about_keeps_its_pause,
    slots::a_pending_change_and_its_failures_come_back,
    slots::racing_holders_never_exceed_the_limit,
}
